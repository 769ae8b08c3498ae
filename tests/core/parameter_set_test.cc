#include "core/parameter_set.h"

#include <gtest/gtest.h>

namespace sluice::core {
namespace {

ParameterLayout two_variables() {
  ParameterLayout layout;
  layout.add("dense/kernel", {3, 4});
  layout.add("dense/bias", {4});
  return layout;
}

TEST(ParameterLayoutTest, VariablesFollowOneAnotherWithoutGaps) {
  ParameterLayout layout = two_variables();
  EXPECT_EQ(layout.add("moving_mean", {2}, false), 16u);
  EXPECT_EQ(layout.size(), 18u);
  ASSERT_EQ(layout.variables().size(), 3u);
  EXPECT_EQ(layout.variables()[0].offset, 0u);
  EXPECT_EQ(layout.variables()[1].name, "dense/bias");
  EXPECT_EQ(layout.variables()[1].offset, 12u);
  EXPECT_EQ(layout.variables()[1].size(), 4u);
  EXPECT_TRUE(layout.variables()[1].trainable);
  EXPECT_FALSE(layout.variables()[2].trainable);
}

TEST(ParameterSetTest, StartsAtZeroAndVariablesAreViews) {
  ParameterSet set(two_variables());
  ASSERT_EQ(set.values().size(), 16u);
  for (float value : set.values()) EXPECT_EQ(value, 0.0f);

  const Variable& bias = set.layout().variables()[1];
  set.values_of(bias)[0] = 5;
  EXPECT_EQ(set.values()[12], 5.0f);
  EXPECT_EQ(set.values_of(bias).size(), 4u);
}

TEST(ParameterSetTest, WithoutVariablesIsEmpty) {
  EXPECT_TRUE(ParameterSet().values().empty());
  EXPECT_TRUE(ParameterSet(ParameterLayout()).values().empty());
}

}  // namespace
}  // namespace sluice::core
