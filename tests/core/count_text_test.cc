#include "core/count_text.h"

#include <gtest/gtest.h>

namespace sluice::core {
namespace {

TEST(CountTextTest, ThousandsAreSeparated) {
  EXPECT_EQ(with_separators(0), "0");
  EXPECT_EQ(with_separators(999), "999");
  EXPECT_EQ(with_separators(1000), "1,000");
  EXPECT_EQ(with_separators(1234567), "1,234,567");
  EXPECT_EQ(with_separators(-1234), "-1,234");
}

TEST(CountTextTest, OneIsSingular) {
  EXPECT_EQ(counted(0, "class", "classes"), "0 classes");
  EXPECT_EQ(counted(1, "class", "classes"), "1 class");
  EXPECT_EQ(counted(1000, "class", "classes"), "1,000 classes");
}

}  // namespace
}  // namespace sluice::core
