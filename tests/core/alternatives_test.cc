#include "core/alternatives.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::core {
namespace {

std::string listed(const std::vector<std::string>& rows) {
  return alternatives(rows, [](const std::string& row) { return "<" + row + ">"; });
}

TEST(AlternativesTest, HaveCommasAndAnOrBeforeTheLast) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a"}), "<a>");
  EXPECT_EQ(listed({"a", "b"}), "<a> or <b>");
  EXPECT_EQ(listed({"a", "b", "c"}), "<a>, <b> or <c>");
}

}  // namespace
}  // namespace sluice::core
