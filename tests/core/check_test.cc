#include "core/check.h"

#include <gtest/gtest.h>

namespace sluice::core {
namespace {

TEST(CheckDeathTest, AFailedCheckSaysWhereAndWhatAndAborts) {
  EXPECT_DEATH(SLUICE_CHECK(1 + 1 == 3) << "got " << 2,
               "sluice: internal error at .*check_test\\.cc:[0-9]+: 1 \\+ 1 == 3 got 2");
}

TEST(CheckTest, ACheckThatHoldsEvaluatesNoMessage) {
  int evaluated = 0;
  SLUICE_CHECK(evaluated == 0) << ++evaluated;
  EXPECT_EQ(evaluated, 0);
}

TEST(CheckTest, IsOneStatement) {
  bool other = false;
  if (other)
    SLUICE_CHECK(false) << "not reached";
  else
    other = true;
  EXPECT_TRUE(other);
}

}  // namespace
}  // namespace sluice::core
