#include "core/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace sluice::core {
namespace {

// From a second implementation, in Python, of what the header describes.
TEST(RngTest, SequencesAreFixed) {
  Rng plain(42);
  EXPECT_EQ(plain.next(), 0x19e479e2aaa77bfbu);
  EXPECT_EQ(plain.next(), 0x5e3efe753be27527u);
  EXPECT_EQ(plain.next(), 0xc3ed7125b780200au);
  Rng streams(42, {1, 2});
  EXPECT_EQ(streams.next(), 0x4dcefabfd2002f79u);
  EXPECT_EQ(streams.next(), 0x520a59af4d406940u);
}

TEST(RngTest, StreamsAreDifferentSequences) {
  std::set<uint64_t> firsts;
  firsts.insert(Rng(1).next());
  firsts.insert(Rng(2).next());
  firsts.insert(Rng(1, {0}).next());
  firsts.insert(Rng(1, {1}).next());
  firsts.insert(Rng(1, {0, 0}).next());
  firsts.insert(Rng(1, {0, 1}).next());
  firsts.insert(Rng(1, {1, 0}).next());
  EXPECT_EQ(firsts.size(), 7u);
}

TEST(RngTest, UniformFillsItsInterval) {
  Rng rng(1);
  double sum = 0;
  float smallest = 1, largest = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const float u = rng.uniform();
    sum += u;
    smallest = std::min(smallest, u);
    largest = std::max(largest, u);
  }
  EXPECT_GE(smallest, 0.0f);
  EXPECT_LT(largest, 1.0f);
  EXPECT_LT(smallest, 0.001f);
  EXPECT_GT(largest, 0.999f);
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);  // deviation of the mean: 0.0009
  for (int i = 0; i < 1000; ++i) {
    const float u = rng.uniform(-3, -2);
    EXPECT_GE(u, -3.0f);
    EXPECT_LE(u, -2.0f);
  }
}

TEST(RngTest, BelowReachesEveryValueEquallyOften) {
  Rng rng(2);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (int count : counts) EXPECT_NEAR(count, 10000, 500);  // five deviations are 463
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(RngTest, NormalHasMeanZeroAndDeviationOne) {
  Rng rng(3);
  double sum = 0, squares = 0;
  int beyond_two = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double z = rng.normal();
    sum += z;
    squares += z * z;
    beyond_two += std::abs(z) > 2;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
  EXPECT_NEAR(beyond_two / static_cast<double>(kDraws), 0.0455, 0.004);
}

TEST(RngTest, ShuffleIsAPermutationAndTheSameForTheSameSeed) {
  std::vector<uint32_t> values(100);
  std::iota(values.begin(), values.end(), 0);
  std::vector<uint32_t> a = values, b = values, c = values;
  Rng(5).shuffle(a);
  Rng(5).shuffle(b);
  Rng(6).shuffle(c);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_NE(a, values);
  std::sort(a.begin(), a.end());
  EXPECT_EQ(a, values);
}

TEST(RngTest, ShuffleReachesEveryOrderEquallyOften) {
  Rng rng(7);
  std::map<std::vector<uint32_t>, int> counts;
  for (int i = 0; i < 6000; ++i) {
    std::vector<uint32_t> values = {0, 1, 2};
    rng.shuffle(values);
    ++counts[values];
  }
  EXPECT_EQ(counts.size(), 6u);
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(RngTest, StreamOfIsFnv1a) {
  // Published test vectors of the 64-bit FNV-1a hash.
  EXPECT_EQ(stream_of("", 0), 0xcbf29ce484222325u);
  EXPECT_EQ(stream_of("a", 1), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(stream_of("foobar", 6), 0x85944171f73967e8u);
}

}  // namespace
}  // namespace sluice::core
