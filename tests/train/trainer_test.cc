#include "sluice/trainer.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace sluice
