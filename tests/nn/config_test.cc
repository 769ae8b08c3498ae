#include <gtest/gtest.h>

#include "sluice/layer.h"
#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

TEST(ConfigTest, KeepsKeysInTheOrderInWhichTheyWereFirstSet) {
  Config config;
  config.set("b", int64_t{1}).set("a", true).set("b", 2.5);
  ASSERT_EQ(config.entries().size(), 2u);
  EXPECT_EQ(config.entries()[0].first, "b");
  EXPECT_EQ(config.get_double("b", 0), 2.5);
  EXPECT_EQ(config.entries()[1].first, "a");
}

TEST(ConfigTest, AbsentAndNullGiveTheFallback) {
  Config config;
  config.set("null", {});
  EXPECT_TRUE(config.has("null"));
  EXPECT_FALSE(config.has("absent"));
  EXPECT_EQ(config.get_int("null", 3), 3);
  EXPECT_EQ(config.get_string("absent", "x"), "x");
  EXPECT_EQ(config.get_bool("absent", true), true);
  EXPECT_EQ(config.get_ints("absent", {1, 2}), std::vector<int64_t>({1, 2}));
}

TEST(ConfigTest, AWholeNumberPassesAsDoubleButNotTheOtherWay) {
  Config config;
  config.set("whole", int64_t{2}).set("real", 2.5);
  EXPECT_EQ(config.get_double("whole", 0), 2.0);
  EXPECT_EQ(message_of([&] { config.get_int("real", 0); }), "\"real\": must be a whole number");
}

TEST(ConfigTest, ListsOfWholeNumbersPassAsListsOfNumbers) {
  Config config;
  config.set("whole", std::vector<int64_t>{1, 2}).set("real", std::vector<double>{0.5});
  EXPECT_EQ(config.get_doubles("whole", {}), std::vector<double>({1, 2}));
  EXPECT_EQ(config.get_doubles("real", {}), std::vector<double>({0.5}));
  EXPECT_EQ(message_of([&] { config.get_ints("real", {}); }),
            "\"real\": must be a list of whole numbers");
  EXPECT_EQ(message_of([&] { config.get_lists("whole", {}); }),
            "\"whole\": must be a list of lists of whole numbers");
}

TEST(ConfigTest, WrongTypesNameTheKey) {
  Config config;
  config.set("key", "text");
  EXPECT_EQ(message_of([&] { config.get_int("key", 0); }), "\"key\": must be a whole number");
  EXPECT_EQ(message_of([&] { config.get_double("key", 0); }), "\"key\": must be a number");
  EXPECT_EQ(message_of([&] { config.get_bool("key", false); }), "\"key\": must be true or false");
  EXPECT_EQ(message_of([&] { config.get_ints("key", {}); }),
            "\"key\": must be a list of whole numbers");
  config.set("key", true);
  EXPECT_EQ(message_of([&] { config.get_string("key", ""); }), "\"key\": must be a string");
}

}  // namespace
}  // namespace sluice::nn
