#include "server/parameter_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/real_world.h"
#include "server/limits.h"
#include "tests/support/await.h"
#include "tests/support/update_rules.h"

namespace sluice::server {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kJob = 42;

// Server 1 of a map of 4 shards on 2 servers: it owns shards 2 and 3, of 16 floats.
wire::CreateRequest request() {
  return {kJob, wire::ShardMap::even(64, 4, 2), 1, add_rule_json(), {9, 9, 9, 9, 9, 9}};
}

// A server that does not know its job yet.
class UnemployedServerTest : public ::testing::Test {
 protected:
  Status create(const wire::CreateRequest& request) {
    return await_status([&](auto reply) { server().create(request, std::move(reply)); });
  }
  Status assign(uint64_t job, int shard) {
    return await_status([&](auto reply) {
      server().assign({job, {shard, 1}}, ones(), std::move(reply));
    });
  }
  Result<wire::PullReply> pull(uint64_t job, int shard) {
    return await_result<wire::PullReply>([&](auto reply) {
      server().pull({job, {shard, 1}}, std::move(reply));
    });
  }
  Result<wire::PullReply> pull_averages(uint64_t job, int shard) {
    return await_result<wire::PullReply>([&](auto reply) {
      server().pull({job, {shard, 1}, true}, std::move(reply));
    });
  }
  Result<wire::FenceReply> fence(const wire::FenceRequest& request) {
    return await_result<wire::FenceReply>(
        [&](auto reply) { server().fence(request, std::move(reply)); });
  }
  Result<wire::LedgerReply> ledger(const wire::LedgerRequest& request) {
    return await_result<wire::LedgerReply>(
        [&](auto reply) { server().ledger(request, std::move(reply)); });
  }
  Status ping(uint64_t job) {
    return await_result<wire::PingReply>([&](auto reply) { server().ping(job, std::move(reply)); })
        .status();
  }
  // A message of a push of ones, to one shard or several.
  Result<wire::PushReply> send(wire::PushStep step, wire::ShardRange shards,
                               wire::PushIdentity id) {
    wire::PushHeader header;
    header.job = kJob;
    header.shards = shards;
    header.id = id;
    header.step = step;
    header.steps = 1;
    header.metrics = {{0, 10, 0.5, {9}}};
    const auto update =
        std::make_shared<const std::vector<float>>(static_cast<size_t>(shards.count) * 16, 1.0f);
    const wire::ReceivedPayload payload{{std::as_bytes(std::span(*update))}, update};
    const bool brings = step != wire::PushStep::kCommit;
    const auto reply = await_result<wire::ExchangeReply>([&](auto answer) {
      server().exchange(header, brings ? payload : wire::ReceivedPayload(), std::move(answer));
    });
    if (!reply.ok()) return reply.status();
    return reply->push;
  }
  // All of it.
  Result<wire::PushReply> push(int64_t partition, int64_t incarnation, int64_t sequence) {
    return send(wire::PushStep::kApply, {2, 2}, {partition, incarnation, sequence});
  }

  wire::ReceivedPayload ones() const { return {{std::as_bytes(std::span(ones_))}, {}}; }
  ParameterServer& server() { return *server_; }

  std::optional<ParameterServer> server_{std::in_place, core::real_world()};
  const std::vector<float> ones_ = std::vector<float>(16, 1);
};

class ParameterServerTest : public UnemployedServerTest {
 protected:
  void SetUp() override { server().serve_job(kJob); }
  void create_and_assign() {
    ASSERT_TRUE(create(request()).ok());
    for (const int shard : {2, 3}) ASSERT_TRUE(assign(kJob, shard).ok());
  }
};

TEST_F(UnemployedServerTest, RefusesEverythingButACreate) {
  EXPECT_EQ(pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(assign(kJob, 2).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(push(0, 1, 1).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(fence({kJob, 0, 1, 1, 3}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ledger({kJob}).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(ping(kJob).code(), StatusCode::kFailedPrecondition);
}

TEST_F(UnemployedServerTest, HoldsACreateUntilItKnowsItsJob) {
  Awaited<Status> mine;
  Awaited<Status> again;
  Awaited<Status> other;
  wire::CreateRequest others = request();
  others.job = 7;
  server().create(request(), mine.reply());
  server().create(others, other.reply());
  server().create(request(), again.reply());
  EXPECT_FALSE(mine.is_there_within(std::chrono::seconds(0)));
  server().serve_job(kJob);
  EXPECT_EQ(mine.get(), ok_status());
  EXPECT_EQ(again.get(), ok_status());
  const Status refused = other.get();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.message(), "this server works for job 42, not for job 7");
  EXPECT_TRUE(assign(kJob, 2).ok());
}

TEST_F(UnemployedServerTest, RefusesASenselessCreateAtOnce) {
  wire::CreateRequest bad_rule = request();
  bad_rule.update_rule = "add";
  EXPECT_EQ(create(bad_rule).code(), StatusCode::kInvalidArgument);
}

TEST_F(UnemployedServerTest, HoldsSoManyCreatesAndNoMore) {
  std::vector<Awaited<Status>> held(kMostHeldCreates);
  for (Awaited<Status>& one : held) server().create(request(), one.reply());
  EXPECT_EQ(create(request()).code(), StatusCode::kResourceExhausted);
  server().serve_job(kJob);
  for (Awaited<Status>& one : held) EXPECT_EQ(one.get(), ok_status());
}

TEST_F(UnemployedServerTest, AnswersWhatItHoldsWhenItEnds) {
  Awaited<Status> held;
  server().create(request(), held.reply());
  server_.reset();
  EXPECT_EQ(held.get().code(), StatusCode::kCancelled);
}

TEST_F(ParameterServerTest, BeforeItsShardsAreMadeItIsThereAndHasNothing) {
  EXPECT_EQ(ping(kJob), ok_status());
  EXPECT_EQ(pull(kJob, 2).status().message(), "job 42 has not been created at this server yet");
  EXPECT_EQ(pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(push(0, 1, 1).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ParameterServerTest, AnotherJobIsRefusedByName) {
  create_and_assign();
  const Status status = pull(7, 2).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "this server works for job 42, not for job 7");
  EXPECT_EQ(ping(7), status);
  EXPECT_EQ(assign(7, 2), status);
  EXPECT_EQ(fence({7, 0, 1, 1, 3}).status(), status);
  EXPECT_EQ(ledger({7}).status(), status);
}

TEST_F(ParameterServerTest, ShardsOfOtherServersAreNotFound) {
  create_and_assign();
  for (const int shard : {0, 1, 4, -1}) {
    EXPECT_EQ(pull(kJob, shard).status().code(), StatusCode::kNotFound) << shard;
  }
}

// Parameters 32 and 33, which are not trained, are their own averages.
TEST_F(ParameterServerTest, AveragesArePulledFromAJobThatKeepsSome) {
  wire::CreateRequest averaging = request();
  averaging.update_rule = algorithm::Choice("adag").to_update_rule(
      SGD({.use_ema = true, .ema_momentum = 0.5f}), {{32, 2}});
  ASSERT_TRUE(create(averaging).ok());
  for (const int shard : {2, 3}) ASSERT_TRUE(assign(kJob, shard).ok());
  for (const int64_t sequence : {1, 2}) ASSERT_TRUE(push(0, 1, sequence).ok());
  EXPECT_THAT(pull(kJob, 2)->values[0].values, testing::Each(3.0f));
  const auto averages = pull_averages(kJob, 2);
  ASSERT_TRUE(averages.ok()) << averages.status();
  EXPECT_THAT(averages->values[0].values.first(2), testing::Each(3.0f));
  EXPECT_THAT(averages->values[0].values.subspan(2), testing::Each(2.5f));
  EXPECT_THAT(pull_averages(kJob, 3)->values[0].values, testing::Each(2.5f));
}

TEST_F(ParameterServerTest, AveragesOfAJobThatKeepsNoneAreRefused) {
  create_and_assign();
  EXPECT_EQ(pull_averages(kJob, 2).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ParameterServerTest, CreatingTheSameJobAgainKeepsItsValues) {
  create_and_assign();
  ASSERT_TRUE(push(0, 1, 1).ok());
  ASSERT_TRUE(create(request()).ok());
  EXPECT_EQ(pull(kJob, 2)->version, 1);
}

TEST_F(ParameterServerTest, TheSameJobWithOtherShardsIsRefused) {
  create_and_assign();
  wire::CreateRequest other = request();
  other.shard_map = wire::ShardMap::even(128, 4, 2);
  EXPECT_EQ(create(other).code(), StatusCode::kAlreadyExists);
}

TEST_F(ParameterServerTest, TheSameJobWithOtherPushesIsRefused) {
  create_and_assign();
  wire::CreateRequest other = request();
  other.pushes.back() = 8;
  EXPECT_EQ(create(other).code(), StatusCode::kAlreadyExists);
}

// The driver of another job that is told this server's address, or was here before.
TEST_F(ParameterServerTest, AnotherJobNeverReplacesTheOneInTraining) {
  create_and_assign();
  ASSERT_TRUE(push(0, 1, 1).ok());
  wire::CreateRequest next = request();
  next.job = 43;
  EXPECT_EQ(create(next).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(pull(kJob, 2)->version, 1);
}

TEST_F(ParameterServerTest, JoiningAnotherJobGivesUpTheOld) {
  create_and_assign();
  server().serve_job(43);
  EXPECT_EQ(ping(43), ok_status());
  EXPECT_EQ(ping(kJob).code(), StatusCode::kFailedPrecondition);
  wire::CreateRequest next = request();
  next.job = 43;
  ASSERT_TRUE(create(next).ok());
  EXPECT_EQ(pull(43, 2).status().code(), StatusCode::kFailedPrecondition) << "unassigned";
  EXPECT_EQ(pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
}

// A driver that was started anew calls as soon as it knows the server, which may not know it yet.
TEST_F(ParameterServerTest, WhileItJoinsAgainAnotherJobsCallIsHeld) {
  create_and_assign();
  server().expect_another_job();
  wire::CreateRequest next = request();
  next.job = 43;
  std::optional<Status> answer;
  server().create(next, [&](const Status& status) { answer = status; });
  EXPECT_FALSE(answer.has_value());
  EXPECT_TRUE(pull(kJob, 2).ok());
  EXPECT_TRUE(create(request()).ok()) << "of its own job";
  server().serve_job(43);
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->ok()) << *answer;
  EXPECT_EQ(pull(kJob, 2).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(ParameterServerTest, WhatIsHeldForAJobThatDoesNotComeIsRefused) {
  create_and_assign();
  server().expect_another_job();
  wire::CreateRequest next = request();
  next.job = 43;
  std::optional<Status> answer;
  server().create(next, [&](const Status& status) { answer = status; });
  server().serve_job(kJob);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(pull(kJob, 2).ok());
}

TEST_F(ParameterServerTest, JoiningTheSameJobAgainKeepsItsValues) {
  create_and_assign();
  server().serve_job(kJob);
  EXPECT_TRUE(pull(kJob, 2).ok());
}

TEST_F(ParameterServerTest, SenselessJobsAreRefused) {
  wire::CreateRequest bad_rule = request();
  bad_rule.update_rule = "add";
  EXPECT_EQ(create(bad_rule).code(), StatusCode::kInvalidArgument);

  wire::CreateRequest no_shards = request();
  no_shards.server = 2;
  EXPECT_EQ(create(no_shards).code(), StatusCode::kInvalidArgument);

  wire::CreateRequest damaged = request();
  damaged.shard_map = wire::ShardMap({{0, 0, size_t{1} << 62, 1}});
  EXPECT_EQ(create(damaged).code(), StatusCode::kInvalidArgument);

  for (const int server : {-1, INT32_MAX, INT32_MIN}) {
    wire::CreateRequest nobody = request();
    nobody.server = server;
    EXPECT_EQ(create(nobody).code(), StatusCode::kInvalidArgument) << server;
  }
  for (const int64_t pushes : {int64_t{-1}, kMostPushes + 1, INT64_MAX}) {
    wire::CreateRequest endless = request();
    endless.pushes = {1, pushes};
    EXPECT_EQ(create(endless).code(), StatusCode::kInvalidArgument) << pushes;
  }
  wire::CreateRequest crowded = request();
  crowded.pushes.resize(kMostPartitions + 1);
  EXPECT_EQ(create(crowded).code(), StatusCode::kInvalidArgument);

  wire::CreateRequest deep = request();
  deep.update_rule = std::string(100'000, '[');
  EXPECT_EQ(create(deep).code(), StatusCode::kInvalidArgument);
}

// 4 GiB of values and Adam's slots are promised, and none of it is taken.
TEST_F(ParameterServerTest, CreatingTakesNoMemoryForValues) {
  wire::CreateRequest large = request();
  large.shard_map = wire::ShardMap({{0, 0, size_t{1} << 29, 1}, {1, size_t{1} << 29, 1 << 29, 1}});
  large.update_rule = optimizer_rule_json("adam");
  ASSERT_TRUE(create(large).ok());
  EXPECT_LT(ledger({kJob})->peak_memory_bytes, int64_t{1} << 30);
}

using wire::PushStep;

// Shards 2 and 3 of a push come in messages of their own, and there is another server.
TEST_F(ParameterServerTest, APushIsAppliedWhenAllIsThereAndItIsCommitted) {
  create_and_assign();
  ASSERT_TRUE(send(PushStep::kStage, {2, 1}, {0, 1, 1}).ok());
  EXPECT_EQ(send(PushStep::kCommit, {2, 1}, {0, 1, 1}).status().code(),
            StatusCode::kFailedPrecondition);
  ASSERT_TRUE(send(PushStep::kStage, {3, 1}, {0, 1, 1}).ok());
  EXPECT_EQ(ledger({kJob})->version, 0);
  EXPECT_THAT(pull(kJob, 2)->values[0].values, testing::Each(1.0f));
  const auto committed = send(PushStep::kCommit, {2, 1}, {0, 1, 1});
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(committed->version, 1);
  for (const int shard : {2, 3}) {
    EXPECT_THAT(pull(kJob, shard)->values[0].values, testing::Each(2.0f));
  }
  // The other message's commit, and one of each that was repeated on its way.
  ASSERT_TRUE(send(PushStep::kCommit, {3, 1}, {0, 1, 1}).ok());
  EXPECT_TRUE(send(PushStep::kStage, {2, 1}, {0, 1, 1})->duplicate);
  ASSERT_TRUE(send(PushStep::kCommit, {2, 1}, {0, 1, 1}).ok());
  EXPECT_EQ(ledger({kJob})->version, 1);
  EXPECT_THAT(pull(kJob, 2)->values[0].values, testing::Each(2.0f));
}

TEST_F(ParameterServerTest, AnotherLeasesPushReplacesWhatWasStaged) {
  create_and_assign();
  ASSERT_TRUE(send(PushStep::kStage, {2, 2}, {0, 1, 1}).ok());
  ASSERT_FALSE(fence({kJob, 0, 2, 1, 3})->sequence);
  EXPECT_EQ(send(PushStep::kCommit, {2, 1}, {0, 1, 1}).status().code(), StatusCode::kAborted);
  ASSERT_TRUE(send(PushStep::kStage, {2, 1}, {0, 2, 1}).ok());
  EXPECT_FALSE(fence({kJob, 0, 3, 1, 3})->staged) << "shard 3 is missing";
  EXPECT_EQ(send(PushStep::kStage, {3, 1}, {0, 2, 1}).status().code(), StatusCode::kAborted);
}

// Another server has applied it before its worker died.
TEST_F(ParameterServerTest, WhatIsStagedIsCommittedByWhoeverTakesOver) {
  create_and_assign();
  ASSERT_TRUE(send(PushStep::kStage, {2, 2}, {0, 1, 1}).ok());
  const auto fenced = fence({kJob, 0, 2, 1, 3});
  ASSERT_TRUE(fenced.ok());
  EXPECT_EQ(fenced->sequence, 0);
  EXPECT_TRUE(fenced->staged);
  ASSERT_TRUE(send(PushStep::kCommit, {0, 0}, {0, 2, 1}).ok());
  EXPECT_THAT(pull(kJob, 3)->values[0].values, testing::Each(2.0f));
  EXPECT_EQ(ledger({kJob})->workers, (std::vector<wire::WorkerCount>{{0, 1, 10}}));
  const auto after = fence({kJob, 0, 3, 1, 3});
  EXPECT_EQ(after->sequence, 1);
  EXPECT_FALSE(after->staged);
  EXPECT_TRUE(push(0, 3, 2).ok());
}

TEST_F(ParameterServerTest, WhatSomebodyElseStagedIsNotCommittedUnderAnOlderLease) {
  create_and_assign();
  ASSERT_TRUE(fence({kJob, 0, 2, 1, 3}).ok());
  ASSERT_TRUE(send(PushStep::kStage, {2, 2}, {0, 2, 1}).ok());
  EXPECT_EQ(send(PushStep::kCommit, {2, 2}, {0, 1, 1}).status().code(), StatusCode::kAborted);
  EXPECT_EQ(ledger({kJob})->version, 0);
}

// A message may be about any run of the server's shards, and about none.
TEST_F(ParameterServerTest, RangesThatAreNotTheServersAreNotFound) {
  create_and_assign();
  using wire::ShardRange;
  for (const ShardRange range :
       {ShardRange{1, 1}, ShardRange{1, 2}, ShardRange{2, 3}, ShardRange{3, 2}, ShardRange{4, 1},
        ShardRange{2, -1}, ShardRange{2, INT32_MAX}, ShardRange{INT32_MAX, INT32_MAX},
        ShardRange{INT32_MIN, 2}}) {
    wire::PushHeader header;
    header.job = kJob;
    header.shards = range;
    header.id = {0, 1, 1};
    const auto reply = await_result<wire::ExchangeReply>(
        [&](auto answer) { server().exchange(header, ones(), std::move(answer)); });
    EXPECT_EQ(reply.status().code(), StatusCode::kNotFound) << range.first << " " << range.count;
    EXPECT_EQ(await_result<wire::PullReply>([&](auto answer) {
                server().pull({kJob, range}, std::move(answer));
              })
                  .status()
                  .code(),
              StatusCode::kNotFound);
    EXPECT_EQ(await_status([&](auto answer) {
                server().assign({kJob, range}, ones(), std::move(answer));
              }).code(),
              StatusCode::kNotFound);
  }
}

TEST_F(ParameterServerTest, LedgerSumsUpWhatWasPushed) {
  create_and_assign();
  ASSERT_TRUE(push(0, 1, 1).ok());
  ASSERT_TRUE(push(0, 1, 1).ok());
  ASSERT_TRUE(push(5, 3, 1).ok());
  ASSERT_TRUE(send(PushStep::kStage, {2, 1}, {4, 1, 1}).ok());
  const auto report = ledger({kJob, true});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->shards, 2);
  EXPECT_EQ(report->version, 2);
  EXPECT_EQ(report->duplicates, 1);
  EXPECT_EQ(report->epochs, (std::vector<wire::EpochMetrics>{{0, 20, 1.0, {18}}}));
  ASSERT_EQ(report->epoch_ages_s.size(), 1u);
  EXPECT_GE(report->epoch_ages_s[0], 0);
  EXPECT_EQ(report->workers, (std::vector<wire::WorkerCount>{{0, 2, 20}}));
  ASSERT_EQ(report->partitions.size(), 3u);
  EXPECT_EQ(report->partitions[0].pushes, 1);
  EXPECT_EQ(report->partitions[1].partition, 4);
  EXPECT_EQ(report->partitions[1].pushes, 0) << "there is only a part of it";
  EXPECT_EQ(report->partitions[2].pushes, 1);
  EXPECT_GT(report->peak_memory_bytes, 0);
}

TEST_F(ParameterServerTest, LedgerTellsOfPartitionsWhenAsked) {
  create_and_assign();
  ASSERT_TRUE(push(0, 1, 1).ok());
  EXPECT_TRUE(ledger({kJob})->partitions.empty());
  EXPECT_EQ(ledger({kJob})->shards, 2);
  EXPECT_EQ(ledger({kJob, true})->partitions.size(), 1u);
}

TEST_F(ParameterServerTest, FencesOfWhatTheJobDoesNotHaveAreRefused) {
  create_and_assign();
  for (const int64_t partition : {int64_t{-1}, int64_t{6}, INT64_MAX}) {
    EXPECT_EQ(fence({kJob, partition, 1, 1, 1}).status().code(), StatusCode::kInvalidArgument);
  }
  for (const int64_t incarnation : {int64_t{-1}, INT64_MAX}) {
    EXPECT_EQ(fence({kJob, 0, incarnation, 1, 1}).status().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(ledger({kJob, true})->partitions.empty());
}

TEST_F(ParameterServerTest, OptimizerRuleStepsTheValues) {
  wire::CreateRequest sgd = request();
  OptimizerSpec spec("sgd");
  spec.learning_rate = 0.25f;
  sgd.update_rule = optimizer_rule_json(spec);
  ASSERT_TRUE(create(sgd).ok());
  for (const int shard : {2, 3}) ASSERT_TRUE(assign(kJob, shard).ok());
  ASSERT_TRUE(push(0, 1, 1).ok());
  EXPECT_EQ(pull(kJob, 2)->values[0].values[15], 0.75f);
}

}  // namespace
}  // namespace sluice::server
