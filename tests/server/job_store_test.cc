#include "server/job_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <future>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/real_world.h"
#include "tests/support/await.h"
#include "tests/support/update_rules.h"

namespace sluice::server {
namespace {

using core::Reply;

constexpr size_t kSize = 20'000;  // several blocks, the last one short

wire::ReceivedPayload whole(std::vector<float> values) {
  const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  return {{std::as_bytes(std::span(*owner))}, owner};
}

wire::PushHeader push_of(int64_t partition, int64_t incarnation, int64_t sequence) {
  wire::PushHeader header;
  header.id = {partition, incarnation, sequence};
  return header;
}

// One shard.
wire::CreateRequest job_of(std::vector<int64_t> pushes, size_t size = kSize) {
  return {1, wire::ShardMap({{0, 0, size, 0}}), 0, "", std::move(pushes)};
}

// A second passes whenever somebody looks at the clock.
class TickingWorld final : public core::World {
 public:
  core::TimePoint now() const override { return core::TimePoint(std::chrono::seconds(++seconds_)); }
  std::shared_ptr<core::Strand> make_strand(const std::string&) override { return nullptr; }
  uint64_t unique_number() override { return 1; }
  core::ProcessFacts process() const override { return {}; }
  int64_t peak_memory_bytes() const override { return 0; }
  core::Disk& disk() override { return core::real_world().disk(); }

 private:
  mutable std::atomic<int> seconds_ = 0;
};

// Stops whoever comes through it until it is opened.
class Gate {
 public:
  void close() { closed_ = true; }
  void pass() {
    if (!closed_) return;
    somebody_.set_value();
    opened_.get_future().wait();
  }
  void wait_for_somebody() { somebody_.get_future().wait(); }
  void open() {
    closed_ = false;
    opened_.set_value();
  }

 private:
  std::atomic<bool> closed_ = false;
  std::promise<void> somebody_;
  std::promise<void> opened_;
};

// theta + update, or an exception when told so.
class FragileRule final : public algorithm::UpdateRule {
 public:
  enum class Fails { kNever, kAtBegin, kHalfway };
  FragileRule(const std::atomic<Fails>* fails, Gate* gate) : fails_(*fails), gate_(*gate) {}

  bool begin(const algorithm::PushContext& context) override {
    last_context = context;
    gate_.pass();
    if (fails_ == Fails::kAtBegin) throw std::runtime_error("begin failed");
    return true;
  }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const algorithm::PushContext&) override {
    if (fails_ == Fails::kHalfway && offset > kSize / 2) throw std::runtime_error("apply failed");
    std::transform(old_values.begin(), old_values.end(), update.begin(), result.begin(),
                   std::plus<>());
  }

  static inline algorithm::PushContext last_context;

 private:
  const std::atomic<Fails>& fails_;
  Gate& gate_;
};

class JobStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(assign(std::vector<float>(kSize, 1)).ok()); }

  Status assign(std::vector<float> values) {
    return await_status([&](auto reply) {
      store_.assign({0, 1}, whole(std::move(values)), std::move(reply));
    });
  }
  Result<wire::PullReply> pull() { return store_.pull({.shards = {0, 1}}); }
  Result<wire::PullReply> averages() { return store_.pull({.shards = {0, 1}, .averages = true}); }
  wire::LedgerReply ledger() const { return store_.ledger(/*partitions=*/false); }
  Result<wire::ExchangeReply> push(const wire::PushHeader& header, wire::ReceivedPayload update) {
    return await_result<wire::ExchangeReply>(
        [&](auto reply) { store_.exchange(header, std::move(update), std::move(reply)); });
  }
  Result<wire::ExchangeReply> push(const wire::PushHeader& header) {
    return push(header, whole(ones_));
  }
  Result<wire::FenceReply> fence(int64_t partition, int64_t incarnation) {
    return await_result<wire::FenceReply>([&](auto reply) {
      store_.fence({0, partition, incarnation, 1, 50}, std::move(reply));
    });
  }
  float value_at(size_t i) { return pull()->values[0].values[i]; }

  std::atomic<FragileRule::Fails> fails_ = FragileRule::Fails::kNever;
  std::optional<algorithm::MovingAverage> average_;  // before values are assigned
  Gate gate_;
  TickingWorld world_;
  std::shared_ptr<BufferPool> pool_ = std::make_shared<BufferPool>(kSize, 4);
  Crew crew_{core::real_world(), 0};
  const JobRules rules_{
      [this](const wire::Shard&) {
        return algorithm::ShardRule{std::make_unique<FragileRule>(&fails_, &gate_), average_};
      },
      &algorithm::find_algorithm("downpour")};
  JobStore store_{job_of({50, 50, 50, 50}), rules_, pool_, world_, crew_};
  const std::vector<float> ones_ = std::vector<float>(kSize, 1);
};

TEST_F(JobStoreTest, PushAddsAndCountsAVersion) {
  const auto reply = push(push_of(0, 1, 1));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->push.version, 1);
  EXPECT_FALSE(reply->push.duplicate);
  EXPECT_EQ(reply->pull.version, 1);
  for (size_t i = 0; i < kSize; ++i) {
    ASSERT_EQ(reply->pull.values[0].values[i], 2.0f) << i;
  }
}

TEST_F(JobStoreTest, PushedAgainIsADuplicateAndChangesNothing) {
  ASSERT_TRUE(push(push_of(0, 1, 1)).ok());
  const auto again = push(push_of(0, 1, 1));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->push.duplicate);
  EXPECT_EQ(again->push.version, 1);
  EXPECT_EQ(value_at(0), 2.0f);
  EXPECT_EQ(ledger().duplicates, 1);
}

TEST_F(JobStoreTest, DuplicateUnderANewerIncarnationFencesTheOlder) {
  ASSERT_TRUE(push(push_of(0, 1, 1)).ok());
  ASSERT_TRUE(push(push_of(0, 2, 1)).ok());
  EXPECT_EQ(push(push_of(0, 1, 2)).status().code(), StatusCode::kAborted);
  EXPECT_EQ(ledger().fenced, 1);
}

TEST_F(JobStoreTest, GapIsRefused) {
  const auto reply = push(push_of(3, 1, 2));
  EXPECT_EQ(reply.status().code(), StatusCode::kAborted);
  EXPECT_EQ(reply.status().message(), "partition 3 has a gap: push 2 came, 1 is next");
  EXPECT_EQ(value_at(0), 1.0f);
}

TEST_F(JobStoreTest, FailedPushIsNeitherAppliedNorRecorded) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.metrics = {{0, 80, 1.5, {70}}};
  for (const auto fails : {FragileRule::Fails::kAtBegin, FragileRule::Fails::kHalfway}) {
    fails_ = fails;
    const Status status = push(header).status();
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_TRUE(status.message().ends_with(" failed")) << status;
    EXPECT_EQ(pull()->version, 0);
    EXPECT_EQ(value_at(0), 1.0f);
    EXPECT_EQ(ledger().epochs.size(), 0u);
  }
  fails_ = FragileRule::Fails::kNever;
  const auto retried = push(header);
  ASSERT_TRUE(retried.ok());
  EXPECT_FALSE(retried->push.duplicate);
  EXPECT_EQ(value_at(kSize - 1), 2.0f);
  EXPECT_EQ(ledger().epochs, (std::vector<wire::EpochMetrics>{{0, 80, 1.5, {70}}}));
}

TEST_F(JobStoreTest, StalenessIsThePushesAppliedInBetween) {
  ASSERT_TRUE(push(push_of(0, 1, 1)).ok());
  ASSERT_TRUE(push(push_of(0, 1, 2)).ok());
  wire::PushHeader late = push_of(1, 1, 1);
  late.base_version = 0;
  late.steps = 5;
  ASSERT_TRUE(push(late).ok());
  EXPECT_EQ(FragileRule::last_context.staleness, 2);
  EXPECT_EQ(FragileRule::last_context.version, 2);
  EXPECT_EQ(FragileRule::last_context.steps, 5);
  // The second push was stale by one, for it also started from version 0.
  EXPECT_EQ(ledger().staleness_sum, 3.0);
  EXPECT_EQ(ledger().staleness_max, 2);
}

TEST_F(JobStoreTest, MetricsAreCountedOncePerPush) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.worker = 7;
  header.metrics = {{0, 48, 2.5, {40}}, {1, 32, 1.0, {30}}};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(push(header).ok());
  const wire::LedgerReply report = ledger();
  EXPECT_EQ(report.epochs,
            (std::vector<wire::EpochMetrics>{{0, 48, 2.5, {40}}, {1, 32, 1.0, {30}}}));
  EXPECT_EQ(report.workers, (std::vector<wire::WorkerCount>{{7, 1, 80}}));
}

TEST_F(JobStoreTest, SnapshotsNeverChange) {
  const auto before = pull();
  for (int64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(push(push_of(0, 1, i)).ok());
  }
  EXPECT_EQ(before->version, 0);
  EXPECT_TRUE(std::all_of(before->values[0].values.begin(), before->values[0].values.end(),
                          [](float v) { return v == 1.0f; }));
}

TEST_F(JobStoreTest, OneWriterNeedsNoMoreThanTwoBuffers) {
  for (int64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(push(push_of(0, 1, i)).ok());
  }
  EXPECT_EQ(pool_->idle(), 1u);
}

TEST_F(JobStoreTest, WrongSizesAreRefused) {
  const std::vector<float> short_update(kSize - 1);
  EXPECT_EQ(push(push_of(0, 1, 1), whole(short_update)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(assign(short_update).code(), StatusCode::kInvalidArgument);
  const wire::ReceivedPayload odd{{std::as_bytes(std::span(ones_)).first(kSize * 4 - 1)}, {}};
  EXPECT_EQ(push(push_of(0, 1, 1), odd).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(JobStoreTest, SenselessHeadersAreRefused) {
  for (const auto& header :
       {push_of(-1, 1, 1), push_of(0, -1, 1), push_of(0, 1, 0), push_of(0, 1, INT64_MIN)}) {
    EXPECT_EQ(push(header).status().code(), StatusCode::kInvalidArgument);
  }
  wire::PushHeader header = push_of(0, 1, 1);
  header.metrics = {{-1, 1, 0, {0}}};
  EXPECT_EQ(push(header).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(JobStoreTest, AssignedAgainBeforeTheFirstPushIsFineAndAfterItIsRefused) {
  ASSERT_TRUE(assign(std::vector<float>(kSize, 5)).ok());
  EXPECT_EQ(value_at(0), 5.0f);
  ASSERT_TRUE(push(push_of(0, 1, 1)).ok());
  EXPECT_EQ(assign(ones_).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(value_at(0), 6.0f);
}

// Of a job of its own, with the add rule.
class UnassignedJobStoreTest : public ::testing::Test {
 protected:
  Status assign() {
    return await_status([&](auto reply) {
      store_.assign({0, 1}, whole(std::vector<float>(16)), std::move(reply));
    });
  }
  Result<wire::PullReply> pull() { return store_.pull({.shards = {0, 1}}); }

  const TickingWorld world_;
  bool memory_ = true;
  Crew crew_{core::real_world(), 0};
  JobStore store_{job_of({1}, 16),
                  {[this](const wire::Shard& shard) {
                     if (!memory_) throw std::bad_alloc();
                     return algorithm::make_shard_rule(add_rule_json(), shard.size);
                   },
                   &algorithm::find_algorithm("downpour")},
                  std::make_shared<BufferPool>(16, 1),
                  world_,
                  crew_};
};

TEST_F(UnassignedJobStoreTest, HasNothingToPullOrToPushTo) {
  EXPECT_EQ(pull().status().code(), StatusCode::kFailedPrecondition);
  const auto reply = await_result<wire::ExchangeReply>([&](auto answer) {
    store_.exchange(push_of(0, 1, 1), whole(std::vector<float>(16)), std::move(answer));
  });
  EXPECT_EQ(reply.status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(UnassignedJobStoreTest, WithoutMemoryForTheRuleItSaysSoAndGoesOn) {
  memory_ = false;
  EXPECT_EQ(assign().code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(pull().ok());
  memory_ = true;
  EXPECT_TRUE(assign().ok());
  EXPECT_TRUE(pull().ok());
}

TEST_F(JobStoreTest, TheTimeThatUpdatesTakeIsTheWorlds) {
  ASSERT_TRUE(push(push_of(0, 1, 1)).ok());
  ASSERT_TRUE(push(push_of(0, 1, 2)).ok());
  ASSERT_TRUE(push(push_of(0, 1, 2)).ok());  // a duplicate takes none
  EXPECT_EQ(ledger().update_seconds, 2);
}

TEST_F(JobStoreTest, WhatIsHeldIsToldAndLetGoWhenTheBoundIsRaised) {
  const auto set = [this](int64_t generation, int64_t max_staleness) {
    wire::GateRequest request;
    request.gate = {generation, {{10, 0, 0}, {11, 1, 0}}, max_staleness};
    return await_status([&](auto reply) { store_.set_gate(request, std::move(reply)); });
  };
  ASSERT_TRUE(set(1, /*max_staleness=*/0).ok());
  EXPECT_EQ(ledger().trainees, (std::vector<wire::LedgerReply::Trainee>{{0, 0, -1}, {1, 0, -1}}));
  wire::PushHeader header = push_of(0, 1, 1);
  header.member = 11;
  header.worker = 1;
  header.clock = 1;
  int answers = 0;
  store_.exchange(header, whole(ones_), [&](const Result<wire::ExchangeReply>& reply) {
    EXPECT_TRUE(reply.ok());
    ++answers;
  });
  EXPECT_EQ(answers, 0);
  const auto trainees = ledger().trainees;
  ASSERT_EQ(trainees.size(), 2u);
  EXPECT_EQ(trainees[0], (wire::LedgerReply::Trainee{0, 0, -1}));
  EXPECT_EQ(trainees[1].clock, 1);
  EXPECT_GT(trainees[1].held_s, 0);
  EXPECT_EQ(ledger().floor, 0);
  ASSERT_TRUE(set(2, /*max_staleness=*/1).ok());
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(ledger().trainees[1].held_s, -1);
}

TEST_F(JobStoreTest, TheMessageIsLetGoBeforeTheAnswer) {
  wire::ReceivedPayload update = whole(ones_);
  const std::weak_ptr<const void> bytes = update.owner;
  bool gone = false;
  store_.exchange(push_of(0, 1, 1), std::move(update),
                  [&](const Result<wire::ExchangeReply>&) { gone = bytes.expired(); });
  EXPECT_TRUE(gone);
}

// One push is being applied by a thread that stands in the rule, and others come.
class HeldCallsTest : public JobStoreTest {
 protected:
  void start_a_push() {
    gate_.close();
    thread_ = std::thread([this] {
      store_.exchange(push_of(0, 1, 1), whole(ones_), noting<wire::ExchangeReply>("running"));
    });
    gate_.wait_for_somebody();
  }
  void let_it_go_on() {
    gate_.open();
    thread_.join();
  }
  void hold_a_push(const std::string& name, const wire::PushHeader& header) {
    store_.exchange(header, whole(ones_), noting<wire::ExchangeReply>(name));
  }

  // Notes the answer as "name" or "name: CODE".
  template <typename T>
  Reply<Result<T>> noting(const std::string& name) {
    return [this, name](const Result<T>& result) {
      answers_.push_back(
          result.ok() ? name : name + ": " + std::string(to_string(result.status().code())));
    };
  }

  std::thread thread_;
  std::vector<std::string> answers_;  // by the thread that goes on with what is held
};

TEST_F(HeldCallsTest, AreAnsweredInOrderAfterTheRunningOneAndOnce) {
  start_a_push();
  hold_a_push("second", push_of(1, 1, 1));
  hold_a_push("third", push_of(2, 1, 1));
  hold_a_push("again", push_of(0, 1, 1));
  EXPECT_TRUE(answers_.empty()) << "nobody waited, and nobody was answered";
  hold_a_push("gap", push_of(1, 1, 3));
  EXPECT_EQ(pull()->version, 0) << "whoever pulls does not wait";
  let_it_go_on();
  EXPECT_EQ(answers_,
            (std::vector<std::string>{"gap: ABORTED", "running", "again", "second", "third"}));
  EXPECT_EQ(ledger().version, 3);
  EXPECT_EQ(value_at(kSize - 1), 4.0f);
}

TEST_F(HeldCallsTest, AFenceAnswersWithThePushThatWasBeingApplied) {
  start_a_push();
  Awaited<Result<wire::FenceReply>> fenced;
  store_.fence({0, 0, 2, 1, 50}, fenced.reply());
  EXPECT_FALSE(fenced.is_there_within(std::chrono::seconds(0)));
  let_it_go_on();
  EXPECT_EQ(fenced.get()->sequence, 1);
  EXPECT_EQ(answers_, std::vector<std::string>{"running"});
  EXPECT_EQ(push(push_of(0, 1, 2)).status().code(), StatusCode::kAborted);
}

// It is there when the fence has its turn, and of no lease any more when it would have its own.
TEST_F(HeldCallsTest, APushBehindAFenceIsFencedOff) {
  start_a_push();
  Awaited<Result<wire::FenceReply>> fenced;
  store_.fence({0, 1, 2, 1, 50}, fenced.reply());
  hold_a_push("late", push_of(1, 1, 1));
  let_it_go_on();
  EXPECT_EQ(fenced.get()->sequence, 0);
  EXPECT_EQ(answers_, (std::vector<std::string>{"running", "late: ABORTED"}));
  EXPECT_EQ(ledger().version, 1);
}

// Its worker had committed, too late, what another server has applied: the driver does it.
TEST_F(HeldCallsTest, WhatWasCommittedBehindAFenceIsCommittedByWhoeverTakesOver) {
  const wire::CreateRequest one_of_two{
      1, wire::ShardMap({{0, 0, kSize, 0}, {1, kSize, 16, 1}}), 0, "", {50, 50}};
  JobStore store(one_of_two, rules_, pool_, world_, crew_);
  store.assign({0, 1}, whole(ones_), [](const Status& status) { EXPECT_TRUE(status.ok()); });
  const auto send = [&](wire::PushStep step, wire::PushIdentity id, const std::string& name) {
    wire::PushHeader header = push_of(id.partition, id.incarnation, id.sequence);
    header.step = step;
    if (step == wire::PushStep::kCommit && id.incarnation > 1) header.shards = {0, 0};
    const bool commits = step == wire::PushStep::kCommit;
    store.exchange(header, commits ? wire::ReceivedPayload() : whole(ones_),
                   noting<wire::ExchangeReply>(name));
  };
  send(wire::PushStep::kStage, {1, 1, 1}, "staged");
  gate_.close();
  thread_ = std::thread([&] { send(wire::PushStep::kApply, {0, 1, 1}, "running"); });
  gate_.wait_for_somebody();
  Awaited<Result<wire::FenceReply>> fenced;
  store.fence({0, 1, 2, 1, 50}, fenced.reply());
  send(wire::PushStep::kCommit, {1, 1, 1}, "late");
  let_it_go_on();
  EXPECT_TRUE(fenced.get()->staged);
  send(wire::PushStep::kCommit, {1, 2, 1}, "the driver's");
  EXPECT_EQ(answers_,
            (std::vector<std::string>{"staged", "running", "late: ABORTED", "the driver's"}));
  EXPECT_EQ(store.ledger(false).version, 2);
}

TEST_F(HeldCallsTest, AnAssignmentIsDecidedAfterThePush) {
  start_a_push();
  Awaited<Status> assigned;
  store_.assign({0, 1}, whole(ones_), assigned.reply());
  let_it_go_on();
  EXPECT_EQ(assigned.get().code(), StatusCode::kAlreadyExists);
}

TEST_F(HeldCallsTest, GoOnWhenTheRuleThrows) {
  fails_ = FragileRule::Fails::kHalfway;
  start_a_push();
  hold_a_push("again", push_of(0, 1, 1));
  let_it_go_on();
  EXPECT_EQ(answers_, (std::vector<std::string>{"running: INTERNAL", "again: INTERNAL"}));
  fails_ = FragileRule::Fails::kNever;
  EXPECT_FALSE(push(push_of(0, 1, 1))->push.duplicate) << "the shard is free again";
  EXPECT_EQ(value_at(0), 2.0f);
}

// Whoever is answered pushes again at once, on the thread that answers: it comes after the others,
// and not upon the stack of the one before.
TEST_F(HeldCallsTest, AnAnswerThatPushesAgainIsHeld) {
  std::vector<std::string>& answers = answers_;
  start_a_push();
  store_.exchange(push_of(1, 1, 1), whole(ones_), [&](const Result<wire::ExchangeReply>&) {
    answers.push_back("first");
    hold_a_push("third", push_of(1, 1, 2));
    answers.push_back("first's end");
  });
  hold_a_push("second", push_of(2, 1, 1));
  let_it_go_on();
  EXPECT_EQ(answers,
            (std::vector<std::string>{"running", "first", "first's end", "second", "third"}));
}

// Every push adds 1 everywhere, so a torn snapshot would hold two different values, and the value
// tells the version.
TEST_F(JobStoreTest, ConcurrentReadersSeeWholeVersionsOnly) {
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    while (!done) {
      const auto snapshot = pull();
      const float expected = 1.0f + static_cast<float>(snapshot->version);
      for (const float value : snapshot->values[0].values) torn += value != expected;
    }
  });
  std::vector<std::thread> writers;
  for (int64_t partition = 0; partition < 3; ++partition) {
    writers.emplace_back([this, partition] {
      for (int64_t i = 1; i <= 50; ++i) {
        EXPECT_TRUE(push(push_of(partition, 1, i)).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(pull()->version, 150);
  EXPECT_EQ(value_at(kSize - 1), 151.0f);
}

TEST_F(JobStoreTest, WithoutUseEmaThereAreNoAverages) {
  const Status status = averages().status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "shard 0: no averages are kept, use_ema is not set in the job's optimizer");
}

// Momentum 1/2; every push adds 1 to what was 1.
class AveragingJobStoreTest : public JobStoreTest {
 protected:
  AveragingJobStoreTest() {
    average_.emplace(SGD({.use_ema = true, .ema_momentum = 0.5f}), std::vector<ParameterRange>{},
                     0);
  }
  static wire::PushHeader push_of_steps(int64_t sequence, int32_t steps) {
    wire::PushHeader header = push_of(0, 1, sequence);
    header.steps = steps;
    return header;
  }
  float average_at(size_t i) { return averages()->values[0].values[i]; }
};

TEST_F(AveragingJobStoreTest, AveragesAreTheValuesBeforeTheFirstPush) {
  const auto pulled = averages();
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(pulled->version, 0);
  EXPECT_EQ(pulled->values[0].values.data(), pull()->values[0].values.data()) << "shared";
}

TEST_F(AveragingJobStoreTest, APushOfSeveralStepsWeighsAsMuchAsTheyDo) {
  ASSERT_TRUE(push(push_of_steps(1, 3)).ok());
  EXPECT_EQ(average_at(0), 2) << "the first is all there is";
  ASSERT_TRUE(push(push_of_steps(2, 2)).ok());
  const auto pulled = averages();
  EXPECT_EQ(pulled->version, 2);
  for (const float average : pulled->values[0].values) {
    ASSERT_EQ(average, 0.25f * 2 + 0.75f * 3);
  }
  EXPECT_EQ(value_at(0), 3) << "values know nothing of it";
}

TEST_F(AveragingJobStoreTest, DuplicatesAndWhatFailsAreInNoAverage) {
  ASSERT_TRUE(push(push_of_steps(1, 1)).ok());
  ASSERT_TRUE(push(push_of_steps(1, 1)).ok());
  fails_ = FragileRule::Fails::kHalfway;
  EXPECT_FALSE(push(push_of_steps(2, 1)).ok());
  EXPECT_EQ(averages()->version, 1);
  EXPECT_EQ(average_at(0), 2);
  fails_ = FragileRule::Fails::kNever;
  ASSERT_TRUE(push(push_of_steps(2, 1)).ok());
  EXPECT_EQ(average_at(0), 2.5f);
  EXPECT_EQ(average_at(kSize - 1), 2.5f);
}

TEST_F(AveragingJobStoreTest, WhereValuesBecomeTheirAveragesWorkersGetThem) {
  average_.emplace(SGD({.use_ema = true, .ema_momentum = 0.5f, .ema_overwrite_frequency = 2}),
                   std::vector<ParameterRange>{}, 0);
  JobStore store(job_of({50}), rules_, pool_, world_, crew_);
  store.assign({0, 1}, whole(ones_), [](const Status& status) { EXPECT_TRUE(status.ok()); });
  for (int64_t sequence = 1; sequence <= 3; ++sequence) {
    store.exchange(push_of_steps(sequence, 1), whole(ones_),
                   [&](const Result<wire::ExchangeReply>& reply) {
                     const float right[] = {2, 2.5f, 3.5f};
                     EXPECT_EQ(reply->pull.values[0].values[kSize - 1], right[sequence - 1]);
                   });
  }
  EXPECT_EQ(store.pull({.shards = {0, 1}, .averages = true})->values[0].values[0], 3);
}

TEST_F(AveragingJobStoreTest, OneWriterNeedsNoMoreThanFourBuffers) {
  for (int64_t i = 1; i <= 10; ++i) ASSERT_TRUE(push(push_of_steps(i, 1)).ok());
  EXPECT_EQ(pool_->idle(), 2u);
}

// Every average is the same number, and follows from the version.
TEST_F(AveragingJobStoreTest, ConcurrentReadersSeeWholeVersionsOnly) {
  std::vector<float> right = {1, 2};
  while (right.size() <= 50) {
    right.push_back(0.5f * right.back() + 0.5f * static_cast<float>(1 + right.size()));
  }
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    while (!done) {
      const auto pulled = averages();
      for (const float average : pulled->values[0].values) {
        torn += average != right[static_cast<size_t>(pulled->version)];
      }
    }
  });
  for (int64_t i = 1; i <= 50; ++i) EXPECT_TRUE(push(push_of_steps(i, 1)).ok());
  done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(average_at(7), right[50]);
}

// Two threads train each partition, since a lease is taken over again and again: every push comes
// twice or more, and fences come in between. Each is counted once all the same.
TEST_F(JobStoreTest, ManyThreadsPushAndFenceAndEveryPushCountsOnce) {
  constexpr int kPartitions = 2;
  std::atomic<int64_t> incarnations[kPartitions] = {};
  std::atomic<int> applied = 0;
  const auto train = [&](int partition) {
    for (int64_t sequence = 1; sequence <= 50;) {
      const auto reply = push(push_of(partition, incarnations[partition], sequence));
      if (reply.ok()) {
        applied += reply->push.duplicate ? 0 : 1;
        ++sequence;
      } else {
        ASSERT_EQ(reply.status().code(), StatusCode::kAborted) << reply.status();
        sequence = fence(partition, incarnations[partition])->sequence + 1;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2 * kPartitions; ++i) threads.emplace_back(train, i % kPartitions);
  for (int64_t incarnation = 1; incarnation <= 20; ++incarnation) {
    for (int partition = 0; partition < kPartitions; ++partition) {
      incarnations[partition] = incarnation;
      EXPECT_TRUE(fence(partition, incarnation).ok());
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(applied, 100);
  EXPECT_EQ(ledger().version, 100);
  EXPECT_EQ(value_at(0), 101.0f);
  EXPECT_EQ(value_at(kSize - 1), 101.0f);
  for (const auto& count : store_.ledger(true).partitions) EXPECT_EQ(count.pushes, 50);
}

// Two shards, each of parameters that one partition has to itself.
TEST(OwnedJobStoreTest, PushesOfOthersAreCountedAndHaveNoUpdate) {
  const algorithm::Choice choice("ensemble");
  const wire::CreateRequest job{
      1, wire::ShardMap({{0, 0, 4, 0}, {1, 4, 4, 0}}), 0, choice.to_update_rule("sgd"), {5, 5}};
  Crew crew(core::real_world(), 0);
  JobStore store(job, JobRules::of(job), std::make_shared<BufferPool>(4, 4), core::real_world(),
                 crew);
  ASSERT_TRUE(await_status([&](auto reply) {
                store.assign({0, 2}, whole({0, 0, 0, 0, 1, 2, 3, 4}), std::move(reply));
              }).ok());
  const auto push = [&](int64_t partition, int64_t sequence, wire::ShardRange shards,
                        std::vector<float> update) {
    wire::PushHeader header = push_of(partition, 1, sequence);
    header.shards = shards;
    return await_result<wire::ExchangeReply>(
        [&](auto reply) { store.exchange(header, whole(std::move(update)), std::move(reply)); });
  };
  const auto values = [&](int shard) { return store.pull({.shards = {shard, 1}})->values[0]; };
  const auto first = push(0, 1, {0, 1}, {1, 1, 1, 1});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(store.ledger(false).version, 1);
  EXPECT_EQ(values(1).values[3], 4);
  EXPECT_EQ(push(0, 2, {1, 1}, {9, 9, 9, 9}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(push(1, 1, {1, 1}, {}).status().code(), StatusCode::kInvalidArgument);

  const auto own = push(1, 1, {1, 1}, {5, 6, 7, 8});
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(own->pull.values[0].values[3], 8);
  EXPECT_TRUE(push(0, 1, {0, 1}, {1, 1, 1, 1})->push.duplicate);
  EXPECT_EQ(store.ledger(false).version, 2);
  EXPECT_EQ(store.ledger(false).staleness_sum, 0) << "others change nothing here";
  // Whatever is kept is applied before a job is stopped: nothing is.
  ASSERT_TRUE(
      await_status([&](auto reply) { store.set_gate({.flush = true}, std::move(reply)); }).ok());
  EXPECT_EQ(values(1).values[0], 5);
}

// A program's own rule, which says what it likes of what it keeps.
class SayingRule final : public algorithm::UpdateRule {
 public:
  explicit SayingRule(std::optional<algorithm::RuleState> says) : says_(std::move(says)) {}
  bool begin(const algorithm::PushContext&) override { return true; }
  void apply(std::span<const float>, std::span<const float>, std::span<float>, size_t,
             const algorithm::PushContext&) override {}
  std::optional<algorithm::RuleState> state() const override { return says_; }

 private:
  const std::optional<algorithm::RuleState> says_;
};

// The pool's buffers are as large as the shard: what is longer would be written behind them.
TEST(MovingJobStoreTest, WhatARuleSaysThatItKeepsIsAsLongAsTheShard) {
  const std::vector<float> floats(9, 7);
  const auto freeze = [&](std::optional<algorithm::RuleState> says, Result<wire::Payload>* kept) {
    const wire::CreateRequest job = job_of({5}, 8);
    const JobRules rules{
        [&](const wire::Shard&) {
          return algorithm::ShardRule{std::make_unique<SayingRule>(says), std::nullopt};
        },
        &algorithm::find_algorithm("downpour")};
    Crew crew(core::real_world(), 0);
    JobStore store(job, rules, std::make_shared<BufferPool>(8, 4), core::real_world(), crew);
    EXPECT_TRUE(await_status([&](auto reply) {
                  store.assign({0, 1}, whole(std::vector<float>(8)), std::move(reply));
                }).ok());
    const auto frozen =
        await_result<wire::MoveReply>([&](auto reply) { store.freeze(1, std::move(reply)); });
    EXPECT_EQ(store.stands_still_for(1), frozen.ok());
    wire::PullRequest request{.shards = {0, 1}};
    request.kept = wire::PullRequest::Kept{};
    if (kept != nullptr) *kept = store.floats(request);
    return frozen.status();
  };
  const auto of_size = [&](size_t size) {
    return algorithm::RuleState{{std::span(floats).first(size)}, {}};
  };
  Result<wire::Payload> kept = not_found("");
  EXPECT_TRUE(freeze(of_size(8), &kept).ok());
  EXPECT_EQ(std::vector<float>(kept->values.begin(), kept->values.end()), std::vector<float>(8, 7));
  EXPECT_TRUE(freeze(of_size(0), &kept).ok());
  EXPECT_EQ(std::vector<float>(kept->values.begin(), kept->values.end()), std::vector<float>(8, 0));
  for (const size_t size : {7, 9}) {
    EXPECT_EQ(freeze(of_size(size), nullptr).message(),
              "the shards of trainer downpour stay where they are: its rule says that it keeps " +
                  std::to_string(size) + " floats of a shard of 8 (UpdateRule::state)");
  }
  EXPECT_EQ(freeze(algorithm::RuleState{{}, {std::nan("")}}, nullptr).message(),
            "the shards of trainer downpour stay where they are: its rule keeps a number that is "
            "not finite (UpdateRule::state)");
  EXPECT_EQ(freeze(std::nullopt, nullptr).message(),
            "the shards of trainer downpour stay where they are: its rule does not say what it "
            "keeps (UpdateRule::state)");
}

}  // namespace
}  // namespace sluice::server
