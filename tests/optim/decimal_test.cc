#include "optim/decimal.h"

#include <gtest/gtest.h>

namespace sluice::optim {
namespace {

TEST(DecimalTest, IsWhatWasWritten) {
  EXPECT_EQ(decimal_of(0.001f), 0.001);
  EXPECT_EQ(decimal_of(1e-7f), 1e-7);
  EXPECT_EQ(decimal_of(-0.1f), -0.1);
  EXPECT_EQ(decimal_of(3.0f), 3.0);
}

TEST(DecimalTest, ComplementsAreOfTheDecimal) {
  EXPECT_EQ(one_minus(0.999f), 0.001f);
  EXPECT_NE(1 - 0.999f, 0.001f);
  EXPECT_EQ(one_minus(0), 1.0f);
}

}  // namespace
}  // namespace sluice::optim
