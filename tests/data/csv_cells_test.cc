#include "data/csv_cells.h"

#include <gtest/gtest.h>

namespace sluice::data {
namespace {

TEST(CsvCellsTest, OnlyFiniteNumbersOfFloat32AreFloats) {
  EXPECT_EQ(to_float("+2.50"), 2.5f);
  EXPECT_EQ(to_float("3.4028234e38"), 3.4028234e38f);
  for (const char* none : {"", "x", "1x", "nan", "inf", "1e39", "1e999"}) {
    EXPECT_EQ(to_float(none), std::nullopt) << none;
  }
}

TEST(CsvCellsTest, BeyondFloat32IsWhatIsWrittenOutAndTooLarge) {
  for (const char* large : {"1e39", "+1e39", "-4e38", "1e999", "-1e999"}) {
    EXPECT_TRUE(is_beyond_float(large)) << large;
  }
  for (const char* other : {"", "x1", "inf", "-Infinity", "nan", "nan(1)", "3.4e38", "1e-999"}) {
    EXPECT_FALSE(is_beyond_float(other)) << other;
  }
}

TEST(CsvCellsTest, ADecimalCommaIsToldFromOtherCommas) {
  for (const char* comma : {"1,5", "-0,25", ",5", "2,5e3"}) {
    EXPECT_TRUE(has_decimal_comma(comma)) << comma;
  }
  for (const char* other : {"", ",", "1.5", "1,5,0", "1.000,5", "a,b", "nan"}) {
    EXPECT_FALSE(has_decimal_comma(other)) << other;
  }
}

TEST(CsvCellsTest, WholeNumbersMayBeWrittenAnyHow) {
  for (const char* seven : {"7", "007", "7.0", "70e-1", "+7"}) EXPECT_EQ(to_whole(seven, 9), 7);
  for (const char* none : {"", "-1", "10", "7.5", "1e39", "nan", "0x7"}) {
    EXPECT_EQ(to_whole(none, 9), std::nullopt) << none;
  }
}

TEST(CsvCellsTest, NamesAreShownShortAndOnOneLine) {
  EXPECT_EQ(excerpt("a\nb\xFF"), "\"a?b?\"");
  EXPECT_EQ(excerpt(std::string(25, 'a')), "\"" + std::string(24, 'a') + "...\"");
  EXPECT_EQ(list_names({"a", "b"}), "\"a\", \"b\"");
  EXPECT_EQ(list_names(std::vector<std::string>(12, "a")).substr(40), "\"a\", \"a\" and 2 more");
}

}  // namespace
}  // namespace sluice::data
