#include "server/push_machine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/rng.h"
#include "server/limits.h"
#include "server/turns.h"

namespace sluice::server {
namespace {

constexpr size_t kBytes = 64;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();

using Became = PushMachine::Became;
constexpr char kPublished[] = {1};
constexpr char kKept[] = {0};

// Of all pushes that the fixture's partition 0 or 2 has.
wire::FenceRequest fence_of(int64_t partition, int64_t incarnation) {
  return {0, partition, incarnation, 1, partition == 2 ? 5 : 3};
}

wire::PushHeader push_of(int64_t partition, int64_t incarnation, int64_t sequence) {
  wire::PushHeader header;
  header.id = {partition, incarnation, sequence};
  return header;
}

class PushMachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(machine_.assign({0, 1}, kBytes).ok());
    machine_.assigned(0);
  }

  StatusCode refusal(const wire::PushHeader& header, size_t bytes = kBytes) {
    return machine_.arrive(header, bytes).status().code();
  }
  // What its rule is told of a push that has come and is to be applied.
  algorithm::PushContext context_of(const wire::PushHeader& header) {
    EXPECT_EQ(machine_.push(header).status(), ok_status());
    return machine_.context_of(header, 0, header.base_version);
  }
  void apply(const wire::PushHeader& header) {
    const auto counted = machine_.arrive(header, kBytes);
    ASSERT_TRUE(counted.ok()) << counted.status();
    ASSERT_FALSE(*counted);
    ASSERT_EQ(*machine_.push(header), Became::kApply);
    const algorithm::PushContext context = context_of(header);
    machine_.applied(header, context.staleness, context.closes, kPublished, {});
  }
  // Nothing has been counted or noted.
  void expect_untouched() {
    EXPECT_EQ(machine_.counts().version, 0);
    EXPECT_EQ(machine_.counts().duplicates + machine_.counts().fenced, 0);
    EXPECT_EQ(machine_.counts().superseded, 0);
    EXPECT_EQ(machine_.totals().epochs().size(), 0u);
    EXPECT_EQ(machine_.totals().workers().size(), 0u);
    for (const auto& [partition, segments] : machine_.ledger().partitions()) {
      EXPECT_EQ(machine_.ledger().count(partition), 0) << partition;
    }
  }

  const std::vector<int64_t> pushes_{3, 0, 5};
  PushMachine machine_{{{{0, 0, kBytes / 4, 0}}}, pushes_};
};

TEST_F(PushMachineTest, APushIsAppliedWhenTheShellSaysSo) {
  const wire::PushHeader header = push_of(0, 1, 1);
  EXPECT_FALSE(*machine_.arrive(header, kBytes));
  EXPECT_EQ(*machine_.push(header), Became::kApply);
  expect_untouched();
  // The shell failed to apply it, and it comes again.
  EXPECT_EQ(*machine_.push(header), Became::kApply);
  machine_.applied(header, 0, false, kPublished, {});
  EXPECT_EQ(machine_.version(), 1);
  EXPECT_TRUE(*machine_.arrive(header, kBytes));
  EXPECT_EQ(*machine_.push(header), Became::kDuplicate);
  EXPECT_EQ(machine_.counts().duplicates, 1);
}

TEST_F(PushMachineTest, TheRuleHearsHowStaleThePushIs) {
  apply(push_of(0, 1, 1));
  apply(push_of(0, 1, 2));
  wire::PushHeader late = push_of(2, 1, 1);
  late.base_version = 1;
  late.steps = 5;
  late.worker = 7;
  const algorithm::PushContext context = context_of(late);
  EXPECT_EQ(context.version, 2);
  EXPECT_EQ(context.staleness, 1);
  EXPECT_EQ(context.steps, 5);
  EXPECT_EQ(context.worker, 7);
  apply(late);
  EXPECT_EQ(machine_.counts().staleness_max, 1);
  EXPECT_EQ(machine_.counts().staleness_sum, 0 + 1 + 1);
}

TEST_F(PushMachineTest, TheRuleHearsHowManyMiniBatchesWereAppliedBefore) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.steps = 4;
  apply(header);
  EXPECT_EQ(*machine_.push(header), Became::kDuplicate);
  header = push_of(0, 1, 2);
  header.steps = 3;
  EXPECT_EQ(context_of(header).steps_before, 4) << "and this fails";
  EXPECT_EQ(context_of(header).steps_before, 4);
  apply(header);
  EXPECT_EQ(context_of(push_of(2, 1, 1)).steps_before, 7);
}

TEST_F(PushMachineTest, FencedAndGapsAreAborted) {
  EXPECT_EQ(refusal(push_of(0, 1, 2)), StatusCode::kAborted) << "a gap";
  EXPECT_EQ(machine_.fence(fence_of(0, 2)).status(), ok_status());
  EXPECT_EQ(refusal(push_of(0, 1, 1)), StatusCode::kAborted) << "fenced";
  EXPECT_EQ(machine_.counts().fenced, 1);
  EXPECT_EQ(machine_.version(), 0);
}

TEST_F(PushMachineTest, AFenceAnswersTheLastSequence) {
  EXPECT_EQ(machine_.fence(fence_of(2, 1))->sequence, 0);
  apply(push_of(2, 1, 1));
  apply(push_of(2, 1, 2));
  EXPECT_EQ(machine_.fence(fence_of(2, 2))->sequence, 2);
  EXPECT_EQ(machine_.fence(fence_of(2, 1))->sequence, 2) << "again, late";
  EXPECT_EQ(refusal(push_of(2, 1, 3)), StatusCode::kAborted);
}

TEST_F(PushMachineTest, PushesThatTheJobDoesNotHaveAreRefusedAndCountedNowhere) {
  for (const int64_t partition : {int64_t{-1}, int64_t{3}, kLargest, kSmallest}) {
    EXPECT_EQ(refusal(push_of(partition, 1, 1)), StatusCode::kInvalidArgument) << partition;
  }
  for (const int64_t sequence : {int64_t{0}, int64_t{-1}, int64_t{4}, kLargest, kSmallest}) {
    EXPECT_EQ(refusal(push_of(0, 1, sequence)), StatusCode::kInvalidArgument) << sequence;
  }
  EXPECT_EQ(refusal(push_of(1, 1, 1)), StatusCode::kInvalidArgument) << "a partition of no pushes";
  for (const int64_t incarnation : {int64_t{-1}, kMostIncarnations + 1, kLargest}) {
    EXPECT_EQ(refusal(push_of(0, incarnation, 1)), StatusCode::kInvalidArgument) << incarnation;
  }
  expect_untouched();
  EXPECT_TRUE(machine_.ledger().partitions().empty());
}

TEST_F(PushMachineTest, FencesThatMakeNoSenseAreRefused) {
  for (const int64_t partition : {int64_t{-1}, int64_t{3}, kLargest}) {
    EXPECT_EQ(machine_.fence(fence_of(partition, 1)).status().code(), StatusCode::kInvalidArgument);
  }
  for (const int64_t incarnation : {int64_t{-1}, kMostIncarnations + 1, kLargest}) {
    EXPECT_EQ(machine_.fence(fence_of(0, incarnation)).status().code(),
              StatusCode::kInvalidArgument);
  }
  using Ends = std::pair<int64_t, int64_t>;
  for (const auto& [first, last] :
       {Ends{0, 3}, Ends{-1, 3}, Ends{3, 2}, Ends{1, 4}, Ends{kSmallest, kLargest}, Ends{4, 4}}) {
    wire::FenceRequest fence = fence_of(0, 1);
    fence.first = first;
    fence.last = last;
    EXPECT_EQ(machine_.fence(fence).status().code(), StatusCode::kInvalidArgument) << first;
  }
  EXPECT_TRUE(machine_.ledger().partitions().empty());
}

TEST_F(PushMachineTest, BaseVersionsThatCannotBeAreRefused) {
  apply(push_of(0, 1, 1));
  wire::PushHeader header = push_of(0, 1, 2);
  for (const int64_t version : {int64_t{-1}, int64_t{2}, kLargest, kSmallest}) {
    header.base_version = version;
    EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument) << version;
  }
  header.base_version = 1;
  apply(header);
  EXPECT_EQ(machine_.counts().staleness_max, 0);
}

TEST_F(PushMachineTest, MetricsThatMakeNoSenseAreRefused) {
  wire::PushHeader header = push_of(0, 1, 1);
  for (const wire::EpochMetrics& metrics :
       {wire::EpochMetrics{-1, 1}, wire::EpochMetrics{kMostEpochs, 1}, wire::EpochMetrics{0, -1},
        wire::EpochMetrics{0, kMostSamples + 1}, wire::EpochMetrics{0, kLargest},
        wire::EpochMetrics{0, 1, 0, std::vector<double>(wire::kMostCounters + 1)}}) {
    header.metrics = {{0, 1, 0, {1}}, metrics};
    EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument) << metrics.epoch;
  }
  header.metrics = {};
  for (const int worker : {-1, kMostWorkers, std::numeric_limits<int>::max()}) {
    header.worker = worker;
    EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument) << worker;
  }
  header.worker = 0;
  header.steps = -1;
  EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument);
  header.steps = 1;
  for (const float rate : {-1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    header.optimizer_rate = rate;
    EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument) << rate;
    header.optimizer_rate = {};
    header.rate_scale = rate;
    EXPECT_EQ(refusal(header), StatusCode::kInvalidArgument) << rate;
    header.rate_scale = 1;
  }
  expect_untouched();
}

// The loss is shown, whatever it is: Keras' users see "nan" and know what to do.
TEST_F(PushMachineTest, ALossThatDivergedIsCounted) {
  wire::PushHeader header = push_of(0, 1, 1);
  header.metrics = {{0, 8, std::nan(""), {1}}};
  apply(header);
  EXPECT_TRUE(std::isnan(machine_.totals().epochs().at(0).loss_sum));
}

TEST_F(PushMachineTest, WrongSizesAreRefused) {
  for (const size_t bytes : {size_t{0}, kBytes - 1, kBytes + 4, SIZE_MAX}) {
    EXPECT_EQ(refusal(push_of(0, 1, 1), bytes), StatusCode::kInvalidArgument) << bytes;
    EXPECT_EQ(machine_.assign({0, 1}, bytes).code(), StatusCode::kInvalidArgument) << bytes;
  }
}

TEST_F(PushMachineTest, ValuesAreAssignedBeforeTheFirstPushOnly) {
  EXPECT_TRUE(machine_.assign({0, 1}, kBytes).ok());
  apply(push_of(0, 1, 1));
  EXPECT_EQ(machine_.assign({0, 1}, kBytes).code(), StatusCode::kAlreadyExists);
}

TEST(UnassignedPushMachineTest, TakesNoPushesButFences) {
  const std::vector<int64_t> pushes{1};
  PushMachine machine({{{0, 0, kBytes / 4, 0}}}, pushes);
  EXPECT_EQ(machine.arrive(push_of(0, 1, 1), kBytes).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(machine.fence({.partition = 0, .incarnation = 1, .first = 1, .last = 1})->sequence, 0);
}

// --- Rounds, with one backup worker: members 10, 11 and 12 train. ---

class RoundsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.assigned(0);
    machine_.set_gate({.generation = 1, .trainees = {{10, 0, 0}, {11, 1, 0}, {12, 2, 0}}});
  }
  static wire::PushHeader push_by(int64_t member, int64_t sequence) {
    wire::PushHeader header = push_of(member - 10, 1, sequence);
    header.member = member;
    header.worker = static_cast<int>(member - 10);
    header.steps = 4;
    header.clock = sequence;
    return header;
  }
  struct Outcome {
    Became became = Became::kDuplicate;
    bool closes = false;
  };
  Outcome push(const wire::PushHeader& header) {
    EXPECT_FALSE(*machine_.arrive(header, kBytes));
    Outcome outcome{*machine_.push(header)};
    if (outcome.became != Became::kApply) return outcome;
    outcome.closes = machine_.context_of(header, 0, 0).closes;
    machine_.applied(header, 0, outcome.closes, outcome.closes ? kPublished : kKept, {});
    return outcome;
  }

  const std::vector<int64_t> pushes_{2, 2, 2};
  PushMachine machine_{{{{0, 0, kBytes / 4, 0}}}, pushes_, Gate(/*rounds=*/true, /*backups=*/1)};
};

// Averages move by the mini-batches that were applied, and by no others.
TEST_F(RoundsTest, WhatIsSupersededBringsNoMiniBatches) {
  push(push_by(10, 1));
  EXPECT_TRUE(push(push_by(11, 1)).closes);
  EXPECT_EQ(push(push_by(12, 1)).became, Became::kSuperseded);
  EXPECT_EQ(machine_.context_of(push_by(10, 2), 0, 0).steps_before, 4 + 4);
}

// Those who are waited for may have gone, and the driver may have nothing more to tell.
TEST_F(RoundsTest, TheJobsLastPushEndsTheLastRound) {
  for (const int64_t member : {10, 11, 12}) push(push_by(member, 1));
  for (const int64_t member : {10, 11}) push(push_by(member, 2));
  machine_.set_gate({.generation = 2, .trainees = {{13, 3, 2}, {14, 4, 2}, {15, 5, 2}}});
  wire::PushHeader last = push_by(12, 2);
  last.member = 13;
  last.clock = 3;
  EXPECT_TRUE(push(last).closes);
  EXPECT_EQ(machine_.values_version(0), 6);
}

TEST_F(RoundsTest, AlsoALastPushThatIsSuperseded) {
  for (const int64_t member : {10, 11, 12}) push(push_by(member, 1));
  machine_.set_gate(
      {.generation = 2, .trainees = {{10, 0, 0}, {12, 2, 0}, {13, 3, 1}, {14, 4, 1}}});
  push(push_by(10, 2));
  wire::PushHeader others = push_by(11, 2);
  others.member = 13;
  EXPECT_FALSE(push(others).closes);
  EXPECT_FALSE(machine_.round_ends(/*flush=*/false));
  wire::PushHeader late = push_by(12, 2);
  late.clock = 1;
  EXPECT_EQ(push(late).became, Became::kSuperseded);
  EXPECT_TRUE(machine_.round_ends(/*flush=*/false));
}

// Anything that workers, old and new, may send in any order, while pushes are being applied and
// sometimes fail to be. The model is what docs/architecture.md promises.
class RandomEvents {
 public:
  explicit RandomEvents(uint64_t seed) : rng_(seed) { machine_.assigned(0); }

  void run(int events) {
    for (int i = 0; i < events; ++i) {
      if (below(2) == 0 && running_) {
        end_turn();
      } else {
        arrive();
      }
    }
    while (running_) end_turn();
    check();
  }

 private:
  struct Call {
    bool fence = false;
    wire::PushHeader header;
    int number = 0;  // in order of arrival
  };
  // What has been applied of a partition, and what has been promised of it.
  struct Partition {
    std::set<int64_t> applied;
    std::map<int64_t, int64_t> incarnation;  // by push, below which it is fenced
    std::set<int64_t> begins;                // pushes that some lease may begin with
    int64_t newest = 0;

    int64_t applied_until(int64_t first, int64_t last) const {
      int64_t until = first - 1;
      while (until < last && applied.contains(until + 1)) ++until;
      return until;
    }
  };

  int64_t below(uint64_t n) { return static_cast<int64_t>(rng_.below(n)); }

  void arrive() {
    Call call{below(6) == 0, push_of(below(kPartitions + 1), below(4), 1), arrived_++};
    wire::PushIdentity& id = call.header.id;
    if (id.partition < kPartitions) {
      // Around what comes next behind some place: duplicates, gaps, now and then one too many.
      const Partition& partition = model_[id.partition];
      const int64_t from = below(3) == 0 ? 1 + below(kPushes) : 1;
      id.sequence = partition.applied_until(from, kPushes) + below(4);
      const auto promised = partition.incarnation.find(id.sequence);
      const int64_t now = promised == partition.incarnation.end() ? 0 : promised->second;
      id.incarnation += (below(2) == 0 ? now : partition.newest) - 1;
    }
    if (turns_.arrive(call)) begin_turn(call);
  }

  // Decides the calls whose turn it is, until a push has to be applied or nothing is left.
  void begin_turn(std::optional<Call> call) {
    for (; call; call = turns_.finish()) {
      EXPECT_EQ(call->number, decided_++) << "out of order";
      if (call->fence) {
        fence(call->header.id);
      } else if (must_be_applied(call->header)) {
        running_ = call->header;
        return;
      }
    }
  }

  // From the push on, as far as chance wants.
  void fence(const wire::PushIdentity& id) {
    const int64_t first = id.sequence, last = first + below(kPushes);
    const auto answer = machine_.fence({0, id.partition, id.incarnation, first, last});
    const bool sensible =
        id.partition < kPartitions && id.incarnation >= 0 && first >= 1 && last <= kPushes;
    ASSERT_EQ(answer.ok(), sensible) << answer.status();
    if (!sensible) return;
    Partition& partition = model_[id.partition];
    const int64_t applied = answer->sequence;
    EXPECT_EQ(applied, partition.applied_until(first, last));
    for (int64_t push = first; push <= last; ++push) {
      partition.incarnation[push] = std::max(partition.incarnation[push], id.incarnation);
    }
    partition.begins.insert({first, last + 1});
    partition.newest = std::max(partition.newest, id.incarnation);
    if (applied == last) return;
    const auto now = machine_.ledger().segment(id.partition, applied + 1).incarnation;
    if (now > id.incarnation) return;  // a later lease has it, or a push of one was heard of
    const auto next = machine_.push(push_of(id.partition, id.incarnation, applied + 1));
    ASSERT_TRUE(next.ok()) << next.status();
    EXPECT_EQ(*next, Became::kApply) << "the new holder goes on where the fence says";
  }

  bool must_be_applied(const wire::PushHeader& header) {
    const Result<bool> counted = machine_.arrive(header, kBytes);
    const wire::PushIdentity& id = header.id;
    const bool in_job = id.partition < kPartitions && id.sequence >= 1 && id.sequence <= kPushes;
    if (!in_job || id.incarnation < 0) {
      EXPECT_EQ(counted.status().code(), StatusCode::kInvalidArgument);
      return false;
    }
    Partition& partition = model_[id.partition];
    const bool applied = partition.applied.contains(id.sequence);
    const bool follows = id.sequence == 1 || partition.begins.contains(id.sequence) ||
                         partition.applied.contains(id.sequence - 1);
    if (!counted.ok()) {
      EXPECT_EQ(counted.status().code(), StatusCode::kAborted);
      EXPECT_EQ(machine_.push(header).status().code(), StatusCode::kAborted) << "nor at its turn";
      return false;
    }
    EXPECT_EQ(*counted, applied);
    EXPECT_EQ(*machine_.push(header), applied ? Became::kDuplicate : Became::kApply);
    if (applied) return false;
    EXPECT_GE(id.incarnation, partition.incarnation[id.sequence]) << "fenced off";
    EXPECT_TRUE(follows) << "out of order";
    return true;
  }

  void end_turn() {
    const wire::PushHeader header = *std::exchange(running_, std::nullopt);
    if (below(4) != 0) {  // otherwise the rule threw
      machine_.applied(header, 0, false, kPublished, {});
      Partition& partition = model_[header.id.partition];
      partition.applied.insert(header.id.sequence);
      partition.newest = std::max(partition.newest, header.id.incarnation);
    }
    begin_turn(turns_.finish());
  }

  void check() {
    EXPECT_EQ(decided_, arrived_) << "every call has had its turn";
    int64_t applied = 0;
    for (const auto& [id, partition] : model_) {
      if (id >= kPartitions) continue;
      EXPECT_EQ(machine_.ledger().count(id), std::ssize(partition.applied));
      applied += std::ssize(partition.applied);
      int64_t next = 1;
      for (const auto& segment : machine_.ledger().segments(id)) {
        EXPECT_EQ(segment.first, next) << "a hole";
        next = segment.last + 1;
        for (int64_t push = segment.first; push <= segment.last; ++push) {
          EXPECT_EQ(push <= segment.applied, partition.applied.contains(push)) << push;
        }
      }
      EXPECT_EQ(next, kPushes + 1);
    }
    EXPECT_EQ(machine_.version(), applied);
    EXPECT_GT(applied, 0);
  }

  static constexpr int64_t kPartitions = 3;
  static constexpr int64_t kPushes = 20;

  core::Rng rng_;
  const std::vector<int64_t> pushes_ = std::vector<int64_t>(kPartitions, kPushes);
  PushMachine machine_{{{{0, 0, kBytes / 4, 0}}}, pushes_};
  Turns<Call> turns_;
  std::optional<wire::PushHeader> running_;  // being applied
  std::map<int64_t, Partition> model_;
  int arrived_ = 0;
  int decided_ = 0;
};

TEST(PushMachinePropertyTest, EachPushIsAppliedOnceInOrderAndNoneThatIsFenced) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    RandomEvents(seed).run(400);
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace sluice::server
