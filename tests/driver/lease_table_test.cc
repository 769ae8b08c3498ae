#include "driver/lease_table.h"

#include <gtest/gtest.h>

#include <map>

#include "core/rng.h"

namespace sluice::driver {
namespace {

using Interval = LeaseTable::Interval;
using Key = LeaseTable::Key;

constexpr int64_t kA = 71, kB = 72;  // members

// Two partitions of two epochs of four pushes.
class LeaseTableTest : public testing::Test {
 protected:
  const PushPlan plan{{8, 8}, {4, 4}, 2, [](int64_t push, int64_t) { return push; }};
  LeaseTable table{plan};
};

TEST_F(LeaseTableTest, InTheBeginningEverythingIsFree) {
  EXPECT_EQ(table.epoch(), 0);
  EXPECT_EQ(table.left(), 16);
  EXPECT_EQ(table.left(1), 8);
  EXPECT_EQ(table.free_epoch(), 0);
  EXPECT_EQ(table.free_in_epoch(9), (std::vector<Interval>{{0, 1, 8}, {1, 1, 8}}));
  EXPECT_EQ(table.free_in_epoch(1).size(), 1u);
}

TEST_F(LeaseTableTest, WhatIsTakenIsHeldUnderANewIncarnation) {
  const Key first = table.take({0, 1, 4}, kA), second = table.take({0, 7, 8}, kB);
  EXPECT_EQ(first, (Key{0, 1}));
  EXPECT_EQ(second, (Key{0, 2}));
  EXPECT_EQ(table.find(first), (Interval{0, 1, 4}));
  EXPECT_EQ(table.holder(second), kB);
  EXPECT_TRUE(table.is_held(0));
  EXPECT_FALSE(table.is_held(1));
  EXPECT_EQ(table.free_in_epoch(9), (std::vector<Interval>{{1, 1, 8}}));
  table.take({1, 1, 8}, kB);
  EXPECT_EQ(table.free_epoch(), 1);
  EXPECT_EQ(table.free_in_epoch(9), (std::vector<Interval>{{0, 5, 6}}));
}

TEST_F(LeaseTableTest, ThePartitionThatFollowsIsFound) {
  table.take({0, 1, 2}, kA);
  EXPECT_EQ(table.free_of(0, 3), (Interval{0, 3, 8}));
  EXPECT_EQ(table.free_of(-1, 1), std::nullopt);
  table.take({0, 5, 8}, kA);
  EXPECT_EQ(table.free_of(0, 7), (Interval{0, 3, 4})) << "of the same partition";
  table.take({0, 3, 4}, kA);
  EXPECT_EQ(table.free_of(0, 3), std::nullopt);
}

TEST_F(LeaseTableTest, ALeaseIsCutAndItsBackIsFree) {
  const Key lease = table.take({0, 1, 8}, kA);
  table.cut(lease, 4);
  EXPECT_EQ(table.find(lease), (Interval{0, 1, 3}));
  EXPECT_EQ(table.free_of(0, 4), (Interval{0, 4, 8}));
  const Key back = table.take({0, 4, 8}, kB);
  EXPECT_GT(back, lease);
  table.finish(back);
  table.finish(lease);
  EXPECT_EQ(table.left(), 8);
}

TEST_F(LeaseTableTest, EpochsEndWithTheirLastPush) {
  const Key a = table.take({0, 1, 8}, kA), b = table.take({1, 1, 4}, kB);
  table.finish(a);
  EXPECT_EQ(table.epoch(), 0);
  table.trained_until(b, 4);
  EXPECT_EQ(table.left(0), 1);
  table.trained_until(b, 5);
  EXPECT_EQ(table.epoch(), 1);
  EXPECT_EQ(table.find(b), std::nullopt) << "nothing is left of it";
  EXPECT_EQ(table.holder(b), -1);
  table.finish(table.take({1, 5, 8}, kB));
  EXPECT_TRUE(table.all_trained());
  EXPECT_EQ(table.epoch(), 2);
}

TEST_F(LeaseTableTest, WhatIsReleasedGrowsTogetherWithWhatNobodyHasHad) {
  const Key lease = table.take({0, 1, 4}, kA);
  table.trained_until(lease, 3);
  table.release(lease);
  EXPECT_EQ(table.free_of(0, 3), (Interval{0, 3, 8}));
}

// A new holder would go on in front, and not know of what is trained behind.
TEST_F(LeaseTableTest, WhatTwoHaveHadStaysApart) {
  const Key front = table.take({0, 1, 4}, kA), back = table.take({0, 5, 8}, kB);
  table.release(back);
  table.release(front);
  EXPECT_EQ(table.free_of(0, 1), (Interval{0, 1, 4}));
}

// Against a model of single pushes.
TEST(LeaseTablePropertyTest, EveryPushIsTrainedHeldOrFree) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    core::Rng chance(seed);
    const auto below = [&](int64_t n) {
      return static_cast<int64_t>(chance.below(static_cast<uint64_t>(n)));
    };
    const PushPlan plan({9, 14}, {10, 15}, 3, [](int64_t push, int64_t) { return 3 * push + 1; });
    LeaseTable table(plan);
    std::map<Key, Interval> held;
    int64_t trained = 0;
    for (int i = 0; i < 200; ++i) {
      if (table.any_free() && below(2) == 0) {
        const auto free = table.free_in_epoch(9);
        Interval piece = free[static_cast<size_t>(below(std::ssize(free)))];
        piece.first += below(piece.size());
        piece.last -= below(piece.size());
        held[table.take(piece, kA)] = piece;
      } else if (!held.empty()) {
        const auto one = std::next(held.begin(), below(std::ssize(held)));
        auto& [key, interval] = *one;
        const int64_t at = interval.first + below(interval.size());
        const int64_t what = below(4);
        if (what == 0 && at > interval.first) {
          table.cut(key, at);
          interval.last = at - 1;
        } else if (what == 1) {
          table.trained_until(key, at);
          trained += at - interval.first;
          interval.first = at;
        } else if (what == 2) {
          table.finish(key);
          trained += interval.size();
          held.erase(one);
        } else {
          table.release(key);
          held.erase(one);
        }
      }
      int64_t in_held = 0;
      for (const auto& [key, interval] : held) {
        ASSERT_EQ(table.find(key), interval);
        in_held += interval.size();
      }
      ASSERT_EQ(table.left(), 9 + 14 - trained);
      ASSERT_EQ(table.held(), held.size());
      ASSERT_EQ(table.any_free(), in_held < table.left());
      ASSERT_EQ(table.all_trained(), table.epoch() == plan.epochs());
    }
  }
}

}  // namespace
}  // namespace sluice::driver
