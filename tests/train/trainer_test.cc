#include "sluice/trainer.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace sluice
