#include "core/json_depth.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::core {
namespace {

std::string nested(int levels) {
  const auto n = static_cast<size_t>(levels);
  return std::string(n, '[') + std::string(n, ']');
}

TEST(JsonDepthTest, ArraysAndObjectsAreLevels) {
  EXPECT_FALSE(deeper_than("", 0));
  EXPECT_FALSE(deeper_than("17", 0));
  EXPECT_TRUE(deeper_than("[]", 0));
  EXPECT_FALSE(deeper_than(R"({"a": [1, {"b": 2}]})", 3));
  EXPECT_TRUE(deeper_than(R"({"a": [1, {"b": 2}]})", 2));
}

TEST(JsonDepthTest, WhatIsClosedNoLongerCounts) {
  EXPECT_FALSE(deeper_than("[[], [], {}, [1], {}]", 2));
}

TEST(JsonDepthTest, BracketsInStringsAreText) {
  EXPECT_FALSE(deeper_than(R"(["[[[[", "\"[[[[", "\\"])", 1));
  EXPECT_TRUE(deeper_than(R"(["\\", [1]])", 1));
}

TEST(JsonDepthTest, StringsThatDoNotEndAreNoTrouble) {
  EXPECT_FALSE(deeper_than(R"(["[[[[)", 1));
  EXPECT_FALSE(deeper_than(R"("\)", 1));
}

TEST(JsonDepthTest, AHundredThousandLevelsAreFoundOut) {
  EXPECT_TRUE(deeper_than(nested(100'000), kJsonLevels));
  EXPECT_FALSE(deeper_than(nested(kJsonLevels), kJsonLevels));
  EXPECT_TRUE(deeper_than(nested(kJsonLevels + 1), kJsonLevels));
  EXPECT_TRUE(deeper_than(std::string(100'000, '{'), kJsonLevels));
}

TEST(JsonDepthTest, WhatIsTooDeepIsSaidInOnePlace) {
  EXPECT_EQ(check_json_depth(nested(kJsonLevels)), "");
  EXPECT_EQ(check_json_depth(nested(kJsonLevels + 1)), "nested more than 64 levels deep");
}

}  // namespace
}  // namespace sluice::core
