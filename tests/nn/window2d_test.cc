#include "nn/window2d.h"

#include <gtest/gtest.h>

namespace sluice::nn {
namespace {

void expect_axis(const WindowAxis& axis, int64_t windows, int64_t before, int64_t after) {
  EXPECT_EQ(axis.windows, windows);
  EXPECT_EQ(axis.before, before);
  EXPECT_EQ(axis.after, after);
}

TEST(Window2DTest, ValidCountsTheWindowsThatFit) {
  expect_axis(place_windows(28, 3, 1, "valid"), 26, 0, 0);
  expect_axis(place_windows(7, 3, 2, "valid"), 3, 0, 0);  // at 0, 2, 4
  expect_axis(place_windows(8, 3, 2, "valid"), 3, 0, 0);  // the last cell is left out
  expect_axis(place_windows(5, 2, 2, "valid"), 2, 0, 0);
  expect_axis(place_windows(3, 3, 5, "valid"), 1, 0, 0);
  expect_axis(place_windows(2, 3, 1, "valid"), 0, 0, 0);
}

TEST(Window2DTest, SameWithStrideOneKeepsTheSize) {
  expect_axis(place_windows(28, 3, 1, "same"), 28, 1, 1);
  expect_axis(place_windows(28, 5, 1, "same"), 28, 2, 2);
  expect_axis(place_windows(28, 2, 1, "same"), 28, 0, 1);  // even: the odd cell comes last
  expect_axis(place_windows(28, 1, 1, "same"), 28, 0, 0);
  expect_axis(place_windows(1, 3, 1, "same"), 1, 1, 1);
}

TEST(Window2DTest, SameWithStrideTwoPadsEvenAndOddSizesDifferently) {
  expect_axis(place_windows(6, 3, 2, "same"), 3, 0, 1);  // (3 - 1) 2 + 3 - 6 = 1
  expect_axis(place_windows(7, 3, 2, "same"), 4, 1, 1);  // (4 - 1) 2 + 3 - 7 = 2
  expect_axis(place_windows(6, 2, 2, "same"), 3, 0, 0);
  expect_axis(place_windows(7, 2, 2, "same"), 4, 0, 1);
  expect_axis(place_windows(28, 5, 2, "same"), 14, 1, 2);  // 26 + 5 - 28 = 3
  expect_axis(place_windows(10, 4, 3, "same"), 4, 1, 2);   // 9 + 4 - 10 = 3
}

TEST(Window2DTest, SameNeverCropsWhenStridesSkipCells) {
  expect_axis(place_windows(6, 1, 2, "same"), 3, 0, 0);  // 4 + 1 - 6 is negative
  expect_axis(place_windows(7, 2, 4, "same"), 2, 0, 0);
}

TEST(Window2DTest, CausalPadsInFrontOnly) {
  expect_axis(place_windows(9, 3, 1, "causal"), 9, 2, 0);
  expect_axis(place_windows(9, 5, 2, "causal"), 5, 4, 0);
}

TEST(Window2DTest, CellsHaveAsManyWindowsAsWereToBePlaced) {
  for (const char* padding : {"valid", "same"}) {
    for (int64_t n = 2; n < 5; ++n) {
      for (int64_t k = 1; k < 6; ++k) {
        for (int64_t s = 1; s < 4; ++s) {
          for (int64_t more = -1; more < s; ++more) {  // -1: none is given
            const CellAxis axis =
                place_cells(n, k, s, padding, more < 0 ? std::nullopt : std::optional(more));
            EXPECT_EQ(place_windows(axis.cells + axis.before + axis.after, k, s, "valid").windows,
                      n)
                << padding << ", " << n << " windows of " << k << " every " << s << ", " << more;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sluice::nn
