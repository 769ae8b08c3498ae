#include "server/parameter_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/update_rule.h"

namespace sluice::server {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 42;

// Server 1 of a map of 4 shards on 2 servers: it owns shards 2 and 3, of 16 floats.
wire::CreateRequest request() { return {kJob, wire::ShardMap::even(64, 4, 2), 1, add_rule_json()}; }

class ParameterServerTest : public ::testing::Test {
 protected:
  void create_and_assign() {
    ASSERT_TRUE(server_.create(request()).ok());
    for (const int shard : {2, 3}) ASSERT_TRUE(server_.assign({kJob, shard}, ones()).ok());
  }

  wire::PayloadView ones() const { return {{std::as_bytes(std::span(ones_))}}; }

  Result<wire::PushReply> push(int shard, int64_t partition, int64_t incarnation,
                               int64_t sequence) {
    wire::PushHeader header;
    header.job = kJob;
    header.shard = shard;
    header.id = {partition, incarnation, sequence};
    header.metrics = {{0, 10, 0.5, 9}};
    return server_.push(header, ones());
  }

  std::vector<std::string> reasons_;
  ParameterServer server_{[this](const std::string& reason) { reasons_.push_back(reason); }};
  const std::vector<float> ones_ = std::vector<float>(16, 1);
};

TEST_F(ParameterServerTest, BeforeAJobEverythingIsRefused) {
  EXPECT_EQ(server_.pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.assign({kJob, 2}, ones()).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(push(2, 0, 1, 1).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.fence({kJob, 0, 1}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.ledger(kJob).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ParameterServerTest, AnotherJobIsRefusedByName) {
  create_and_assign();
  const Status status = server_.pull(7, 2).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "this server works for job 42, not for job 7");
}

TEST_F(ParameterServerTest, ShardsOfOtherServersAreNotFound) {
  create_and_assign();
  for (const int shard : {0, 1, 4, -1}) {
    EXPECT_EQ(server_.pull(kJob, shard).status().code(), StatusCode::kNotFound) << shard;
  }
}

TEST_F(ParameterServerTest, CreatingTheSameJobAgainKeepsItsValues) {
  create_and_assign();
  ASSERT_TRUE(push(2, 0, 1, 1).ok());
  ASSERT_TRUE(server_.create(request()).ok());
  EXPECT_EQ(server_.pull(kJob, 2)->version, 1);
}

TEST_F(ParameterServerTest, TheSameJobWithOtherShardsIsRefused) {
  create_and_assign();
  wire::CreateRequest other = request();
  other.shard_map = wire::ShardMap::even(128, 4, 2);
  EXPECT_EQ(server_.create(other).code(), StatusCode::kAlreadyExists);
}

TEST_F(ParameterServerTest, ANewJobReplacesTheOld) {
  create_and_assign();
  wire::CreateRequest next = request();
  next.job = 43;
  ASSERT_TRUE(server_.create(next).ok());
  EXPECT_EQ(server_.pull(43, 2).status().code(), StatusCode::kFailedPrecondition) << "unassigned";
  EXPECT_EQ(server_.pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ParameterServerTest, SenselessJobsAreRefused) {
  wire::CreateRequest bad_rule = request();
  bad_rule.update_rule = "add";
  EXPECT_EQ(server_.create(bad_rule).code(), StatusCode::kInvalidArgument);

  wire::CreateRequest no_shards = request();
  no_shards.server = 2;
  EXPECT_EQ(server_.create(no_shards).code(), StatusCode::kInvalidArgument);

  wire::CreateRequest damaged = request();
  damaged.shard_map = wire::ShardMap({{0, 0, size_t{1} << 62, 1}});
  EXPECT_EQ(server_.create(damaged).code(), StatusCode::kInvalidArgument);
}

// 4 GiB of values and Adam's slots are promised, and none of it is taken.
TEST_F(ParameterServerTest, CreatingTakesNoMemoryForValues) {
  wire::CreateRequest large = request();
  large.shard_map = wire::ShardMap({{0, 0, size_t{1} << 29, 1}, {1, size_t{1} << 29, 1 << 29, 1}});
  large.update_rule = optimizer_rule_json("adam");
  ASSERT_TRUE(server_.create(large).ok());
  EXPECT_LT(server_.ledger(kJob)->peak_memory_bytes, int64_t{1} << 30);
}

TEST_F(ParameterServerTest, FenceAnswersTheLastSequenceThatEveryShardHas) {
  create_and_assign();
  ASSERT_TRUE(push(2, 0, 1, 1).ok());
  ASSERT_TRUE(push(2, 0, 1, 2).ok());
  ASSERT_TRUE(push(3, 0, 1, 1).ok());
  const auto fenced = server_.fence({kJob, 0, 2});
  ASSERT_TRUE(fenced.ok());
  EXPECT_EQ(fenced->sequence, 1);
  for (const int shard : {2, 3}) {
    EXPECT_EQ(push(shard, 0, 1, 3 - (shard - 2)).status().code(), StatusCode::kAborted);
  }
  // The new lease trains on from push 2: shard 2 has it, shard 3 needs it.
  EXPECT_TRUE(push(2, 0, 2, 2)->duplicate);
  EXPECT_FALSE(push(3, 0, 2, 2)->duplicate);
}

TEST_F(ParameterServerTest, LedgerSumsItsShards) {
  wire::CreateRequest first = request();
  first.server = 0;  // shards 0 and 1
  ASSERT_TRUE(server_.create(first).ok());
  for (const int shard : {0, 1}) ASSERT_TRUE(server_.assign({kJob, shard}, ones()).ok());
  ASSERT_TRUE(push(0, 0, 1, 1).ok());
  ASSERT_TRUE(push(0, 0, 1, 1).ok());
  ASSERT_TRUE(push(1, 0, 1, 1).ok());
  ASSERT_TRUE(push(0, 5, 3, 1).ok());
  const auto ledger = server_.ledger(kJob);
  ASSERT_TRUE(ledger.ok());
  ASSERT_EQ(ledger->shards.size(), 2u);
  EXPECT_EQ(ledger->shards[0].shard, 0);
  EXPECT_EQ(ledger->shards[0].version, 2);
  EXPECT_EQ(ledger->shards[0].duplicates, 1);
  EXPECT_EQ(ledger->shards[1].version, 1);
  // Shard 0 stands for the push: two were applied.
  EXPECT_EQ(ledger->epochs, (std::vector<wire::EpochMetrics>{{0, 20, 1.0, 18}}));
  EXPECT_EQ(ledger->workers, (std::vector<wire::WorkerCount>{{0, 2, 20}}));
  ASSERT_EQ(ledger->partitions.size(), 2u);
  EXPECT_EQ(ledger->partitions[0].sequence, 1);
  EXPECT_EQ(ledger->partitions[1].partition, 5);
  EXPECT_EQ(ledger->partitions[1].incarnation, 3);
  EXPECT_EQ(ledger->partitions[1].sequence, 0) << "shard 1 has not seen it";
  EXPECT_GT(ledger->peak_memory_bytes, 0);
}

TEST_F(ParameterServerTest, ShutdownIsReportedOnce) {
  EXPECT_TRUE(server_.shutdown("the job is done").ok());
  EXPECT_TRUE(server_.shutdown("again").ok());
  EXPECT_EQ(reasons_, std::vector<std::string>{"the job is done"});
}

TEST_F(ParameterServerTest, OptimizerRuleStepsTheValues) {
  wire::CreateRequest sgd = request();
  OptimizerSpec spec("sgd");
  spec.learning_rate = 0.25f;
  sgd.update_rule = optimizer_rule_json(spec);
  ASSERT_TRUE(server_.create(sgd).ok());
  ASSERT_TRUE(server_.assign({kJob, 2}, ones()).ok());
  ASSERT_TRUE(push(2, 0, 1, 1).ok());
  EXPECT_EQ(server_.pull(kJob, 2)->values.values[15], 0.75f);
}

}  // namespace
}  // namespace sluice::server
