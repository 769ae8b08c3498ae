#include "wire/shard_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

namespace sluice::wire {
namespace {

TEST(ShardMapTest, ShardsCoverTheParametersWithoutGaps) {
  for (const int shards : {1, 2, 3, 7, 64}) {
    const ShardMap map = ShardMap::even(1'048'853, shards, 1);
    ASSERT_EQ(map.size(), shards);
    size_t next = 0;
    for (const Shard& shard : map.shards()) {
      EXPECT_EQ(shard.offset, next);
      next = shard.offset + shard.size;
    }
    EXPECT_EQ(next, 1'048'853u);
    EXPECT_EQ(map.parameters(), 1'048'853u);
  }
}

TEST(ShardMapTest, SizesDifferByAtMostOneCacheLine) {
  const ShardMap map = ShardMap::even(1'048'853, 7, 1);
  size_t least = map[0].size;
  size_t most = map[0].size;
  for (const Shard& shard : map.shards()) {
    least = std::min(least, shard.size);
    most = std::max(most, shard.size);
  }
  EXPECT_LE(most - least, 16u + 15u);  // the last one also ends inside a line
}

TEST(ShardMapTest, ShardsStartOnCacheLines) {
  const ShardMap map = ShardMap::even(1000, 7, 1);
  for (const Shard& shard : map.shards()) EXPECT_EQ(shard.offset % 16, 0u);
}

TEST(ShardMapTest, EveryServerOwnsARunOfShards) {
  const ShardMap map = ShardMap::even(160, 5, 2);
  EXPECT_EQ(map.servers(), 2);
  EXPECT_EQ(map.owned_by(0), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(map.owned_by(1), (std::vector<int>{3, 4}));
  EXPECT_TRUE(map.owned_by(2).empty());
}

TEST(ShardMapTest, UnsaidNumberKeepsShardsWithinTheDefaultSize) {
  EXPECT_EQ(ShardMap::even(1000, 0, 1).size(), 1);
  EXPECT_EQ(ShardMap::even(kDefaultShardSize, 0, 1).size(), 1);
  EXPECT_EQ(ShardMap::even(kDefaultShardSize + 1, 0, 1).size(), 2);
  // Two servers: as many on each.
  EXPECT_EQ(ShardMap::even(kDefaultShardSize * 3, 0, 2).size(), 4);
}

TEST(ShardMapTest, ImpossibleCutsThrow) {
  EXPECT_THROW((void)ShardMap::even(1000, 1, 2), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(1000, -1, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(1000, 1, 0), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(16, 2, 1), std::invalid_argument);
}

TEST(ShardMapTest, MapsThatNobodyCouldUseThrow) {
  EXPECT_THROW((void)ShardMap::even(kMostParameters + 1, 0, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(SIZE_MAX, 0, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(kMostParameters, kMostShards + 1, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::even(kMostParameters, 0, INT32_MAX), std::invalid_argument);
}

TEST(ShardMapTest, EvenMapsAreValid) {
  EXPECT_TRUE(ShardMap::even(1'048'853, 4, 2).validate().ok());
}

TEST(ShardMapTest, DamagedMapsAreFoundOut) {
  const auto code = [](std::vector<Shard> shards) {
    return ShardMap(std::move(shards)).validate().code();
  };
  EXPECT_EQ(code({}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{0, 0, 16, 0}}), StatusCode::kOk);
  EXPECT_EQ(code({{1, 0, 16, 0}}), StatusCode::kInvalidArgument) << "misnumbered";
  EXPECT_EQ(code({{0, 16, 16, 0}}), StatusCode::kInvalidArgument) << "starts late";
  EXPECT_EQ(code({{0, 0, 16, 0}, {1, 32, 16, 0}}), StatusCode::kInvalidArgument) << "gap";
  EXPECT_EQ(code({{0, 0, 0, 0}}), StatusCode::kInvalidArgument) << "empty shard";
  EXPECT_EQ(code({{0, 0, size_t{1} << 60, 0}}), StatusCode::kInvalidArgument) << "huge shard";
  EXPECT_EQ(code({{0, 0, 16, -1}}), StatusCode::kInvalidArgument) << "no server";
  EXPECT_EQ(code({{0, 0, 16, 1}}), StatusCode::kInvalidArgument) << "more servers than shards";
  EXPECT_EQ(code({{0, 0, 16, INT32_MAX}}), StatusCode::kInvalidArgument) << "one more overflows";
}

TEST(ShardMapTest, MapsOfTooManyShardsOrParametersAreFoundOut) {
  const auto map_of = [](int shards, size_t size) {
    std::vector<Shard> result;
    for (int i = 0; i < shards; ++i) result.push_back({i, static_cast<size_t>(i) * size, size, 0});
    return ShardMap(std::move(result));
  };
  EXPECT_TRUE(map_of(kMostShards, 16).validate().ok());
  EXPECT_EQ(map_of(kMostShards + 1, 16).validate().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(map_of(2048, kMostParameters / 2048).validate().ok());
  EXPECT_EQ(map_of(2049, kMostParameters / 2048).validate().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::wire
