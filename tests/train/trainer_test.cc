#include "sluice/trainer.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>

#include "core/log.h"
#include "tests/support/local_job.h"

namespace sluice {
namespace {

// This test's main() has not called sluice::init(), as a program that forgot to.
TEST(TrainerTest, TrainWithoutInitSaysWhatIsMissing) {
  Sequential model = testing_support::small_model();
  try {
    Adag().train(model, testing_support::small_dataset(10));
    FAIL();
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("sluice::init(argc, argv)"));
  }
}

// A program with init() need not be a driver: it may train by fit() alone.
TEST(TrainerTest, AProgramLogsAsSluiceWhateverItDoes) {
  const auto log = [] {
    char name[] = "program";
    char* arguments[] = {name, nullptr};
    init(1, arguments);
    SLUICE_LOG(warn, "something");
    std::exit(0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(log(), testing::ExitedWithCode(0), " W sluice . something");
}

// Before any process is started.
TEST(TrainerTest, OptionsOfEachTypeAreCheckedByTheAlgorithm) {
  const auto train = [](const char* trainer, const TrainerOptions& options) {
    char name[] = "program";
    char* arguments[] = {name, nullptr};
    init(1, arguments);
    Sequential model = testing_support::small_model();
    try {
      Trainer(trainer, options).train(model, testing_support::small_dataset(10));
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "%s", error.what());
      std::exit(3);
    }
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto refused = testing::ExitedWithCode(3);
  EXPECT_EXIT(train("adag", {.max_staleness = -2}), refused,
              "max_staleness: expected at least 0, got -2");
  EXPECT_EXIT(train("synchronous", {.max_staleness = 2}), refused, "trains in rounds");
  EXPECT_EXIT(train("synchronous", {.hyperparameters = {{"backup_workers", 1.5}}}), refused,
              "expected a whole number");
  EXPECT_EXIT(train("synchronous", {.hyperparameters = {{"backup_workers", -1}}}), refused,
              "backup_workers");
  EXPECT_EXIT(train("adag", {.hyperparameters = {{"bound_gain", 1}}}), refused,
              "expected true or false");
  EXPECT_EXIT(train("fedopt", {.hyperparameters = {{"server_optimizer", "sgdx"}}}), refused,
              "server_optimizer");
}

}  // namespace
}  // namespace sluice
