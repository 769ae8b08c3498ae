#include "server/shard_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sluice::server {
namespace {

constexpr size_t kSize = 20'000;  // several blocks, the last one short

wire::PayloadView whole(const std::vector<float>& values) {
  return {{std::as_bytes(std::span(values))}};
}

wire::PushHeader push_of(int64_t partition, int64_t incarnation, int64_t sequence) {
  wire::PushHeader header;
  header.id = {partition, incarnation, sequence};
  return header;
}

// theta + update, or an exception when told so.
class FragileRule final : public UpdateRule {
 public:
  enum class Fails { kNever, kAtBegin, kHalfway };
  explicit FragileRule(const Fails* fails) : fails_(*fails) {}

  void begin(const PushContext& context) override {
    last_context = context;
    if (fails_ == Fails::kAtBegin) throw std::runtime_error("begin failed");
  }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext&) override {
    if (fails_ == Fails::kHalfway && offset > kSize / 2) throw std::runtime_error("apply failed");
    std::transform(old_values.begin(), old_values.end(), update.begin(), result.begin(),
                   std::plus<>());
  }

  static inline PushContext last_context;

 private:
  const Fails& fails_;
};

class ShardStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_.assign(whole(std::vector<float>(kSize, 1))).ok()); }

  float value_at(size_t i) { return store_.pull()->values.values[i]; }

  FragileRule::Fails fails_ = FragileRule::Fails::kNever;
  std::shared_ptr<BufferPool> pool_ = std::make_shared<BufferPool>(kSize, 4);
  ShardStore store_{
      {0, 0, kSize, 0}, [this](size_t) { return std::make_unique<FragileRule>(&fails_); }, pool_};
  const std::vector<float> ones_ = std::vector<float>(kSize, 1);
};

TEST_F(ShardStoreTest, PushAddsAndCountsAVersion) {
  const auto reply = store_.push(push_of(0, 1, 1), whole(ones_));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->push.version, 1);
  EXPECT_FALSE(reply->push.duplicate);
  EXPECT_EQ(reply->pull.version, 1);
  for (size_t i = 0; i < kSize; ++i) {
    ASSERT_EQ(reply->pull.values.values[i], 2.0f) << i;
  }
}

TEST_F(ShardStoreTest, PushedAgainIsADuplicateAndChangesNothing) {
  ASSERT_TRUE(store_.push(push_of(0, 1, 1), whole(ones_)).ok());
  const auto again = store_.push(push_of(0, 1, 1), whole(ones_));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->push.duplicate);
  EXPECT_EQ(again->push.version, 1);
  EXPECT_EQ(value_at(0), 2.0f);
  EXPECT_EQ(store_.report().count.duplicates, 1);
}

TEST_F(ShardStoreTest, DuplicateUnderANewerIncarnationFencesTheOlder) {
  ASSERT_TRUE(store_.push(push_of(0, 1, 1), whole(ones_)).ok());
  ASSERT_TRUE(store_.push(push_of(0, 2, 1), whole(ones_)).ok());
  EXPECT_EQ(store_.push(push_of(0, 1, 2), whole(ones_)).status().code(), StatusCode::kAborted);
  EXPECT_EQ(store_.report().count.fenced, 1);
}

TEST_F(ShardStoreTest, GapIsRefused) {
  const auto reply = store_.push(push_of(3, 1, 2), whole(ones_));
  EXPECT_EQ(reply.status().code(), StatusCode::kAborted);
  EXPECT_EQ(reply.status().message(), "shard 0: partition 3 has a gap: push 2 came, 1 is next");
  EXPECT_EQ(value_at(0), 1.0f);
}

TEST_F(ShardStoreTest, FailedPushIsNeitherAppliedNorRecorded) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.metrics = {{0, 80, 1.5, 70}};
  for (const auto fails : {FragileRule::Fails::kAtBegin, FragileRule::Fails::kHalfway}) {
    fails_ = fails;
    EXPECT_THROW((void)store_.push(header, whole(ones_)), std::runtime_error);
    EXPECT_EQ(store_.pull()->version, 0);
    EXPECT_EQ(value_at(0), 1.0f);
    EXPECT_EQ(store_.report().totals.epochs().size(), 0u);
  }
  fails_ = FragileRule::Fails::kNever;
  const auto retried = store_.push(header, whole(ones_));
  ASSERT_TRUE(retried.ok());
  EXPECT_FALSE(retried->push.duplicate);
  EXPECT_EQ(value_at(kSize - 1), 2.0f);
  EXPECT_EQ(store_.report().totals.epochs(), (std::vector<wire::EpochMetrics>{{0, 80, 1.5, 70}}));
}

TEST_F(ShardStoreTest, StalenessIsThePushesAppliedInBetween) {
  ASSERT_TRUE(store_.push(push_of(0, 1, 1), whole(ones_)).ok());
  ASSERT_TRUE(store_.push(push_of(0, 1, 2), whole(ones_)).ok());
  wire::PushHeader late = push_of(1, 1, 1);
  late.base_version = 0;
  late.steps = 5;
  ASSERT_TRUE(store_.push(late, whole(ones_)).ok());
  EXPECT_EQ(FragileRule::last_context.staleness, 2);
  EXPECT_EQ(FragileRule::last_context.version, 2);
  EXPECT_EQ(FragileRule::last_context.steps, 5);
  // The second push was stale by one, for it also started from version 0.
  EXPECT_EQ(store_.report().count.staleness_sum, 3.0);
  EXPECT_EQ(store_.report().count.staleness_max, 2);
}

TEST_F(ShardStoreTest, MetricsAreCountedOncePerPush) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.worker = 7;
  header.metrics = {{0, 48, 2.5, 40}, {1, 32, 1.0, 30}};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store_.push(header, whole(ones_)).ok());
  const auto report = store_.report();
  EXPECT_EQ(report.totals.epochs(),
            (std::vector<wire::EpochMetrics>{{0, 48, 2.5, 40}, {1, 32, 1.0, 30}}));
  EXPECT_EQ(report.totals.workers(), (std::vector<wire::WorkerCount>{{7, 1, 80}}));
}

TEST_F(ShardStoreTest, SnapshotsNeverChange) {
  const auto before = store_.pull();
  for (int64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(store_.push(push_of(0, 1, i), whole(ones_)).ok());
  }
  EXPECT_EQ(before->version, 0);
  EXPECT_TRUE(std::all_of(before->values.values.begin(), before->values.values.end(),
                          [](float v) { return v == 1.0f; }));
}

TEST_F(ShardStoreTest, OneWriterNeedsNoMoreThanTwoBuffers) {
  for (int64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(store_.push(push_of(0, 1, i), whole(ones_)).ok());
  }
  EXPECT_EQ(pool_->idle(), 1u);
}

TEST_F(ShardStoreTest, WrongSizesAreRefused) {
  const std::vector<float> short_update(kSize - 1);
  EXPECT_EQ(store_.push(push_of(0, 1, 1), whole(short_update)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(store_.assign(whole(short_update)).code(), StatusCode::kInvalidArgument);
  wire::PayloadView odd{{std::as_bytes(std::span(ones_)).first(kSize * 4 - 1)}};
  EXPECT_EQ(store_.push(push_of(0, 1, 1), odd).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ShardStoreTest, SenselessHeadersAreRefused) {
  for (const auto& header :
       {push_of(-1, 1, 1), push_of(0, -1, 1), push_of(0, 1, 0), push_of(0, 1, INT64_MIN)}) {
    EXPECT_EQ(store_.push(header, whole(ones_)).status().code(), StatusCode::kInvalidArgument);
  }
  wire::PushHeader header = push_of(0, 1, 1);
  header.metrics = {{-1, 1, 0, 0}};
  EXPECT_EQ(store_.push(header, whole(ones_)).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ShardStoreTest, AssignedAgainBeforeTheFirstPushIsFineAndAfterItIsRefused) {
  ASSERT_TRUE(store_.assign(whole(std::vector<float>(kSize, 5))).ok());
  EXPECT_EQ(value_at(0), 5.0f);
  ASSERT_TRUE(store_.push(push_of(0, 1, 1), whole(ones_)).ok());
  EXPECT_EQ(store_.assign(whole(ones_)).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(value_at(0), 6.0f);
}

TEST(UnassignedShardStoreTest, HasNothingToPullOrToPushTo) {
  ShardStore store(
      {0, 0, 16, 0}, [](size_t n) { return make_update_rule(add_rule_json(), n); },
      std::make_shared<BufferPool>(16, 1));
  EXPECT_EQ(store.pull().status().code(), StatusCode::kFailedPrecondition);
  const std::vector<float> update(16);
  EXPECT_EQ(store.push(push_of(0, 1, 1), whole(update)).status().code(),
            StatusCode::kFailedPrecondition);
}

// Every push adds 1 everywhere, so a torn snapshot would hold two different values, and the value
// tells the version.
TEST_F(ShardStoreTest, ConcurrentReadersSeeWholeVersionsOnly) {
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    while (!done) {
      const auto snapshot = store_.pull();
      const float expected = 1.0f + static_cast<float>(snapshot->version);
      for (const float value : snapshot->values.values) torn += value != expected;
    }
  });
  std::vector<std::thread> writers;
  for (int64_t partition = 0; partition < 3; ++partition) {
    writers.emplace_back([this, partition] {
      for (int64_t i = 1; i <= 50; ++i) {
        EXPECT_TRUE(store_.push(push_of(partition, 1, i), whole(ones_)).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(store_.pull()->version, 150);
  EXPECT_EQ(value_at(kSize - 1), 151.0f);
}

}  // namespace
}  // namespace sluice::server
