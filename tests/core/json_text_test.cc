#include "core/json_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace sluice::core {
namespace {

std::string refusal_of(const std::string& text) {
  try {
    (void)parse_json(text);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(JsonTextTest, MembersStayInTheirOrder) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": {"b": [2, {"b": null}]}})").dump(),
            R"({"b":1,"a":{"b":[2,{"b":null}]}})");
}

TEST(JsonTextTest, WhatIsNotJsonIsSaidWithItsPlace) {
  EXPECT_EQ(refusal_of("[1,\n  2,,"), "not JSON from line 2, column 5 on");
  EXPECT_EQ(refusal_of(R"({"rate": NaN})"), "not JSON from line 1, column 10 on (near \"rate\")");
  EXPECT_EQ(refusal_of(""), "not JSON from line 1, column 1 on");
  EXPECT_EQ(refusal_of(R"({"a": 1)"), "not JSON from line 1, column 8 on (near \"a\")");
}

TEST(JsonTextTest, ANumberThatIsNoDoubleIsNamed) {
  EXPECT_EQ(refusal_of(R"({"a": 1, "rate": [1e400]})"),
            "a number is out of range: 1.8e308 is the largest (near \"rate\")");
}

TEST(JsonTextTest, NoMemberIsThereTwiceInOneObject) {
  const std::string twice = "\"a\" is there twice in one object: leave one of them out";
  EXPECT_EQ(refusal_of(R"({"a": 1, "a": 1})"), twice);
  EXPECT_EQ(refusal_of(R"([{"b": {"a": 1, "c": {}, "a": 2}}])"), twice);
  EXPECT_EQ(refusal_of(R"({"a": {"a": [{"a": 1}, {"a": 2}]}})"), "");
}

TEST(JsonTextTest, WhatIsTooDeepIsNotEvenParsed) {
  EXPECT_EQ(refusal_of(std::string(100'000, '[')), "nested more than 64 levels deep");
}

}  // namespace
}  // namespace sluice::core
