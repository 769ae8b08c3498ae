#include "client/versions.h"

#include <gmock/gmock.h>

namespace sluice::client {
namespace {

using testing::ElementsAre;
using wire::ShardMap;

Versions versions(const ShardMap& map, const std::vector<int64_t>& of) {
  Versions result(map);
  for (size_t i = 0; i < of.size(); ++i) result.set(static_cast<int>(i), of[i]);
  return result;
}

TEST(VersionsTest, OfARangeTheOldestCounts) {
  const Versions its = versions(ShardMap::even(64, 4, 1), {5, 3, 9, 7});
  EXPECT_EQ(its.oldest(0, 16), 5);
  EXPECT_EQ(its.oldest(0, 17), 3);
  EXPECT_EQ(its.oldest(40, 24), 7);
  EXPECT_EQ(its.oldest(0, 64), 3);
}

TEST(VersionsTest, GoFromOneCutToAnother) {
  const Versions its = versions(ShardMap::even(96, 3, 1), {5, 3, 9});
  EXPECT_THAT(its.cut_as(ShardMap::even(96, 2, 1)).by_shard(), ElementsAre(3, 3));
  EXPECT_THAT(its.cut_as(ShardMap::even(96, 6, 1)).by_shard(), ElementsAre(5, 5, 3, 3, 9, 9));
}

TEST(VersionsTest, OfTwoTheOlderCountsHoweverTheyAreCut) {
  Versions its = versions(ShardMap::even(96, 3, 1), {5, 3, 9});
  its.add(1);
  its.lower_to(versions(ShardMap::even(96, 2, 1), {8, 2}));
  EXPECT_THAT(its.by_shard(), ElementsAre(4, 2));
}

}  // namespace
}  // namespace sluice::client
