// A shard of an algorithm that steps in place: pushes of several threads, none lost or doubled,
// blocks whole, fences exact.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "core/real_world.h"
#include "server/job_store.h"
#include "tests/support/await.h"

namespace sluice::server {
namespace {

constexpr size_t kBlock = LiveValues::kBlock;
constexpr size_t kSize = 4 * kBlock + 100;  // the last block short
constexpr int kPushers = 4;
constexpr int64_t kPushes = 100;  // of each

wire::ReceivedPayload all(float value) {
  const auto owner = std::make_shared<const std::vector<float>>(kSize, value);
  return {{std::as_bytes(std::span(*owner))}, owner};
}

class HogwildTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status assigned = await_status([&](auto reply) {
      store_.assign({0, 1}, all(0), std::move(reply));
    });
    ASSERT_TRUE(assigned.ok()) << assigned;
  }

  Result<wire::ExchangeReply> push(int64_t partition, int64_t incarnation, int64_t sequence,
                                   float value) {
    wire::PushHeader header;
    header.id = {partition, incarnation, sequence};
    header.worker = static_cast<int>(partition);
    return await_result<wire::ExchangeReply>(
        [&](auto reply) { store_.exchange(header, all(value), std::move(reply)); });
  }
  static void expect_whole_blocks(std::span<const float> values) {
    for (size_t i = 0; i < kSize; ++i) {
      ASSERT_EQ(values[i], values[i / kBlock * kBlock]) << "block " << i / kBlock << " is torn";
    }
  }

  Result<wire::PullReply> pull() { return store_.pull({.shards = {0, 1}}); }

  const algorithm::Choice choice_{"hogwild"};
  const wire::CreateRequest job_{1, wire::ShardMap({{0, 0, kSize, 0}}), 0,
                                 choice_.to_update_rule({}),
                                 std::vector<int64_t>(kPushers, kPushes)};
  Crew crew_{core::real_world(), 0};
  JobStore store_{job_, JobRules::of(job_), std::make_shared<BufferPool>(kSize, 4),
                  core::real_world(), crew_};
};

// Sums of small whole numbers are exact in any order.
TEST_F(HogwildTest, EveryPushIsAddedOnceAndBlocksAreWhole) {
  std::atomic<bool> over = false;
  std::thread reader([&] {
    while (!over) expect_whole_blocks(pull()->values[0].values);
  });
  std::vector<std::thread> pushers;
  for (int64_t p = 0; p < kPushers; ++p) {
    pushers.emplace_back([this, p] {
      for (int64_t sequence = 1; sequence <= kPushes; ++sequence) {
        const auto reply = push(p, 1, sequence, static_cast<float>(p + 1));
        ASSERT_TRUE(reply.ok()) << reply.status();
        expect_whole_blocks(reply->pull.values[0].values);
        if (sequence % 10 == 0) {
          EXPECT_TRUE(push(p, 1, sequence, static_cast<float>(p + 1))->push.duplicate);
        }
      }
    });
  }
  for (std::thread& pusher : pushers) pusher.join();
  over = true;
  reader.join();
  const auto pulled = pull();
  EXPECT_EQ(pulled->version, kPushers * kPushes);
  for (const float value : pulled->values[0].values) ASSERT_EQ(value, (1 + 2 + 3 + 4) * kPushes);
  EXPECT_EQ(store_.ledger(false).duplicates, kPushers * kPushes / 10);
}

// The same push from several threads at once, as of a worker that is thought dead and its
// successor.
TEST_F(HogwildTest, OfRepetitionsAtTheSameTimeOneIsAdded) {
  for (int64_t sequence = 1; sequence <= 20; ++sequence) {
    std::atomic<int> added = 0;
    std::vector<std::thread> pushers;
    for (int i = 0; i < kPushers; ++i) {
      pushers.emplace_back([&] { added += push(0, 1, sequence, 1)->push.duplicate ? 0 : 1; });
    }
    for (std::thread& pusher : pushers) pusher.join();
    EXPECT_EQ(added, 1);
  }
  EXPECT_EQ(pull()->values[0].values[kSize - 1], 20.0f);
}

TEST_F(HogwildTest, UntilTheFirstPushValuesMayBeAssignedAgain) {
  const auto before = pull();
  EXPECT_TRUE(await_status([&](auto reply) {
                store_.assign({0, 1}, all(5), std::move(reply));
              }).ok());
  EXPECT_EQ(before->values[0].values[0], 0.0f);
  EXPECT_EQ(pull()->values[0].values[kSize - 1], 5.0f);
  ASSERT_TRUE(push(0, 1, 1, 1).ok());
  EXPECT_EQ(await_status([&](auto reply) {
              store_.assign({0, 1}, all(7), std::move(reply));
            }).code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(pull()->values[0].values[0], 6.0f);
}

// What a fence answers is applied, whole, and nothing behind it is.
TEST_F(HogwildTest, AFenceSaysWhichPushesAreIn) {
  std::vector<std::thread> pushers;
  std::atomic<int64_t> acknowledged = 0;
  for (int64_t p = 0; p < kPushers; ++p) {
    pushers.emplace_back([&, p] {
      for (int64_t sequence = 1; sequence <= kPushes; ++sequence) {
        if (!push(p, 1, sequence, 1).ok()) return;
        if (p == 0) acknowledged = sequence;
      }
    });
  }
  const auto fenced = await_result<wire::FenceReply>([&](auto reply) {
    store_.fence({0, 0, 2, 1, kPushes}, std::move(reply));
  });
  for (std::thread& pusher : pushers) pusher.join();
  ASSERT_TRUE(fenced.ok()) << fenced.status();
  EXPECT_EQ(fenced->sequence, acknowledged);
  const auto values = pull();
  EXPECT_EQ(values->values[0].values[0],
            static_cast<float>(fenced->sequence + (kPushers - 1) * kPushes));
  expect_whole_blocks(values->values[0].values);
}

}  // namespace
}  // namespace sluice::server
