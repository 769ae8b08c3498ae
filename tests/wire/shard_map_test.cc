#include "wire/shard_map.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <utility>
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

TEST(ShardMapTest, NoShardIsOfTwoParts) {
  const ShardMap map = ShardMap::in_parts(3 * 100, 3, 0, 2);
  ASSERT_EQ(map.size(), 3);
  EXPECT_EQ(map.parameters(), 300u);
  EXPECT_EQ(map[1].offset, 100u);
  EXPECT_EQ(map.owned_by(0), (std::vector<int>{0, 1}));
  EXPECT_TRUE(map.validate().ok() && map.validate_parts(3).ok());

  const ShardMap cut = ShardMap::in_parts(2 * 100, 2, 6, 1);
  const ShardMap::Part second = cut.part(1, 2);
  EXPECT_EQ(std::pair(second.first, second.shards), std::pair(3, 3));
  EXPECT_EQ(std::pair(second.offset, second.size), std::pair(size_t{100}, size_t{100}));
  EXPECT_EQ(cut[3].offset, 100u);
  EXPECT_EQ(cut[2].offset + cut[2].size, 100u);
  EXPECT_EQ(cut.part_of(2, 2), 0);
  EXPECT_EQ(cut.part_of(3, 2), 1);
  EXPECT_FALSE(second.has(2) || second.has(6));
  EXPECT_TRUE(second.has(3) && second.has(5));
}

TEST(ShardMapTest, EachServerHasAShardThoughThereAreFewerParts) {
  const ShardMap map = ShardMap::in_parts(2 * 1000, 2, 0, 3);
  EXPECT_EQ(map.size(), 4);
  EXPECT_EQ(map.servers(), 3);
}

TEST(ShardMapTest, PartsThatAreNotEqualAreFoundOut) {
  EXPECT_THROW((void)ShardMap::in_parts(100, 3, 0, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::in_parts(300, 3, 4, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::in_parts(300, 0, 0, 1), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::in_parts(300, 3, 3, 4), std::invalid_argument);
  EXPECT_THROW((void)ShardMap::in_parts(3 * (size_t{1} << 40), 3, 0, 1), std::invalid_argument);
  const ShardMap uneven({{0, 0, 40, 0}, {1, 40, 60, 0}});
  EXPECT_FALSE(uneven.validate_parts(2).ok());
  EXPECT_FALSE(ShardMap::even(160, 5, 1).validate_parts(2).ok());
  EXPECT_FALSE(ShardMap::even(160, 5, 1).validate_parts(0).ok());
}

TEST(ShardMapTest, AMessageHasOneShardOrAllThatFollowOneAnotherOnAServer) {
  const ShardMap map = ShardMap::even(16 * 6, 6, 2);
  const auto first = [](const ShardMap::Message& message) { return message.shards.first; };
  const auto apart = map.messages(map.whole(), {0, 0});
  ASSERT_EQ(apart.size(), 6u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(first(apart[static_cast<size_t>(i)]), i);
    EXPECT_EQ(apart[static_cast<size_t>(i)].shards.count, 1);
    EXPECT_EQ(apart[static_cast<size_t>(i)].server, i / 3);
  }
  const auto mixed = map.messages(map.whole(), {1, 0});
  ASSERT_EQ(mixed.size(), 4u);
  EXPECT_EQ(mixed[0].shards, (ShardRange{0, 3}));
  EXPECT_EQ(mixed[1].shards, (ShardRange{3, 1}));
  const auto part = map.messages(map.part(1, 3), {1, 1});  // shards 2 and 3
  ASSERT_EQ(part.size(), 2u);
  EXPECT_EQ(part[0].shards, (ShardRange{2, 1}));
  EXPECT_EQ(part[1].shards, (ShardRange{3, 1}));
  EXPECT_EQ(map.floats_of({1, 3}), 48u);
  EXPECT_EQ(map.floats_on(1), 48u);
  EXPECT_EQ(map.largest_message(), 48u);
}

TEST(ShardMapTest, ShardsOfOneMessageComeToNoMoreThanIsAllowed) {
  const ShardMap map = ShardMap::even(kMostTogether * 3 + 16, 0, 1);
  size_t floats = 0;
  int next = 0;
  for (const auto& [server, shards] : map.messages(map.whole(), {1})) {
    EXPECT_EQ(shards.first, next);
    next = shards.end();
    EXPECT_LE(map.floats_of(shards), kMostTogether);
    floats += map.floats_of(shards);
  }
  EXPECT_EQ(floats, map.parameters());
  EXPECT_LE(map.largest_message(), kMostTogether);
  // One that is larger goes by itself.
  const ShardMap large({{0, 0, kMostTogether + 16, 0}, {1, kMostTogether + 16, 16, 0}});
  EXPECT_EQ(large.messages(large.whole(), {1}).size(), 2u);
}

TEST(ShardMapTest, APartIsFoundByItsFloats) {
  const ShardMap map = ShardMap::even(64, 4, 2);
  const auto same = [](const ShardMap::Part& part, int first, int shards, size_t offset,
                       size_t size) {
    return part.first == first && part.shards == shards && part.offset == offset &&
           part.size == size;
  };
  EXPECT_TRUE(same(map.covering(0, 64), 0, 4, 0, 64));
  EXPECT_TRUE(same(map.covering(16, 16), 1, 1, 16, 16));
  EXPECT_TRUE(same(map.covering(15, 2), 0, 2, 0, 32));
  EXPECT_TRUE(same(map.covering(63, 1), 3, 1, 48, 16));
  EXPECT_TRUE(same(map.part_at(16, 32), 1, 2, 16, 32));
}

}  // namespace
}  // namespace sluice::wire
