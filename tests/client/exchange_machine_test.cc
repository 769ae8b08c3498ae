#include "client/exchange_machine.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace sluice::client {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A machine, the time, and what it has asked for.
class ExchangeMachineTest : public testing::Test {
 protected:
  using Kind = ExchangeMachine::Kind;
  using Step = wire::PushStep;

  void make(int shards, int servers = 1) {
    std::vector<std::string> addresses;
    for (int i = 0; i < servers; ++i) addresses.push_back("host:" + std::to_string(i));
    machine_.emplace(addresses, options_, 1);
    units_.clear();
    for (int i = 0; i < shards; ++i) units_.push_back({i * servers / shards, {i, 1}});
  }
  void take(ExchangeMachine::Actions actions) {
    calls_.clear();
    steps_.clear();
    for (const auto& call : actions.calls) {
      calls_.push_back(call.index);
      steps_.push_back(call.step);
      timeout_ = call.timeout;
    }
    pings_.clear();
    for (const auto& ping : actions.pings) pings_.push_back(ping.server);
    cut_ = actions.cut;
    if (actions.waiting_for) said_.push_back(*actions.waiting_for);
    wake_ = actions.wake;
    end_ = actions.end;
  }
  void start(ExchangeMachine::Kind kind = ExchangeMachine::Kind::kOnce) {
    take(machine_->start(kind, units_, now_));
  }
  void answer(int shard, const Status& status = ok_status()) {
    take(machine_->answered(shard, status, now_));
  }
  void pong(int server, const Status& status = ok_status(), const std::string& held_for = {}) {
    take(machine_->ponged(server, status, now_, held_for));
  }
  // The machine is woken whenever it wants to be, and what it asks for is gathered.
  void wait(core::Duration time) {
    const core::TimePoint until = now_ + time;
    std::vector<int> calls, pings;
    const auto wake_at = [&](core::TimePoint at) {
      now_ = at;
      take(machine_->time(at));
      calls.insert(calls.end(), calls_.begin(), calls_.end());
      pings.insert(pings.end(), pings_.begin(), pings_.end());
    };
    while (wake_ && *wake_<until&& * wake_> now_) wake_at(*wake_);
    wake_at(until);
    calls_ = std::move(calls);
    pings_ = std::move(pings);
  }
  void wait_for_wake() {
    ASSERT_TRUE(wake_.has_value());
    now_ = *wake_;
    take(machine_->time(now_));
  }

  ExchangeOptions options_;
  std::optional<ExchangeMachine> machine_;
  std::vector<ExchangeMachine::Unit> units_;
  const core::TimePoint start_{1h};
  core::TimePoint now_ = start_;
  std::vector<int> calls_, pings_;  // of the last actions
  std::vector<wire::PushStep> steps_;
  core::Duration timeout_{};        // of the last call
  bool cut_ = false;
  std::vector<std::string> said_;
  std::optional<core::TimePoint> wake_;
  std::optional<Status> end_;
};

// --- Which call starts when ---

TEST_F(ExchangeMachineTest, AFewCallsAreUnderWayAtATime) {
  make(5);
  start();
  EXPECT_THAT(calls_, ElementsAre(0, 1, 2));
  answer(1);
  EXPECT_THAT(calls_, ElementsAre(3));
  answer(0);
  EXPECT_THAT(calls_, ElementsAre(4));
  for (const int shard : {4, 3}) {
    answer(shard);
    EXPECT_THAT(calls_, IsEmpty());
    EXPECT_EQ(end_, std::nullopt);
  }
  answer(2);
  EXPECT_EQ(end_, ok_status());
  EXPECT_TRUE(machine_->idle());
  EXPECT_THAT(said_, IsEmpty());
}

TEST_F(ExchangeMachineTest, EveryServerHasItsOwnLine) {
  options_.calls_per_server = 1;
  make(4, 2);
  start();
  EXPECT_THAT(calls_, ElementsAre(0, 2));
  answer(2);
  EXPECT_THAT(calls_, ElementsAre(3));
}

TEST_F(ExchangeMachineTest, CanBeUsedAgainAfterAnyEnd) {
  make(1);
  start();
  answer(0, {StatusCode::kAborted, "fenced"});
  EXPECT_EQ(end_->code(), StatusCode::kAborted);
  start();
  EXPECT_THAT(calls_, ElementsAre(0));
  answer(0);
  EXPECT_EQ(end_, ok_status());
}

// --- Pushes ---

TEST_F(ExchangeMachineTest, APushOfOneUnitIsOneCall) {
  make(1);
  start(Kind::kPush);
  EXPECT_THAT(steps_, ElementsAre(Step::kApply));
  answer(0);
  EXPECT_EQ(end_, ok_status());
}

// No round trip lies between staging and committing: the server waits for what is under way.
TEST_F(ExchangeMachineTest, WithOneServerCommitsFollowWhenAllIsUnderWay) {
  make(4);
  start(Kind::kPush);
  EXPECT_THAT(calls_, ElementsAre(0, 1, 2));
  answer(1);
  EXPECT_THAT(calls_, ElementsAre(3, 1)) << "0 and 2 have not been answered yet";
  EXPECT_THAT(steps_, ElementsAre(Step::kStage, Step::kCommit));
  answer(0);
  EXPECT_THAT(calls_, ElementsAre(0));
  answer(3);
  EXPECT_THAT(calls_, ElementsAre(3));
  // Held commits keep nothing from being staged again.
  answer(2, unavailable("broken pipe"));
  wait_for_wake();
  EXPECT_THAT(calls_, ElementsAre(2));
  EXPECT_THAT(steps_, ElementsAre(Step::kStage));
  answer(2);
  EXPECT_THAT(calls_, IsEmpty()) << "three commits are under way";
  answer(1);
  EXPECT_THAT(calls_, ElementsAre(2));
  for (const int unit : {0, 2, 3}) answer(unit);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, WithSeveralServersNothingIsCommittedBeforeAllIsStaged) {
  make(3, 3);
  start(Kind::kPush);
  EXPECT_THAT(calls_, ElementsAre(0, 1, 2));
  answer(2);
  EXPECT_THAT(calls_, IsEmpty());
  answer(0, unavailable("broken pipe"));
  wait_for_wake();
  EXPECT_THAT(calls_, ElementsAre(0));
  EXPECT_THAT(steps_, ElementsAre(Step::kStage));
  answer(0);
  EXPECT_THAT(calls_, IsEmpty());
  answer(1);
  EXPECT_THAT(calls_, ElementsAre(0, 1, 2));
  EXPECT_THAT(steps_, ElementsAre(Step::kCommit, Step::kCommit, Step::kCommit));
  answer(1, unavailable("broken pipe"));
  for (const int unit : {0, 2}) answer(unit);
  wait_for_wake();
  EXPECT_THAT(calls_, ElementsAre(1));
  EXPECT_THAT(steps_, ElementsAre(Step::kCommit));
  answer(1);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, WhatBecameOfAPushIsAskedOfOneServerFirst) {
  make(2, 2);
  start(Kind::kDecidedPush);
  answer(0);
  answer(1);
  EXPECT_THAT(calls_, ElementsAre(2));
  EXPECT_THAT(steps_, ElementsAre(Step::kCommit));
  EXPECT_EQ(machine_->unit(2).server, wire::ShardMap::kLedgerServer);
  EXPECT_EQ(machine_->unit(2).shards.count, 0);
  answer(2);
  EXPECT_THAT(calls_, ElementsAre(0, 1));
  answer(0);
  answer(1);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, APushThatIsGivenUpCommitsNothing) {
  make(2, 2);
  start(Kind::kPush);
  answer(0);
  answer(1, {StatusCode::kAborted, "fenced"});
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(end_->code(), StatusCode::kAborted);
}

// --- Repeating ---

TEST_F(ExchangeMachineTest, WhatMayPassIsRepeatedAfterAGrowingPause) {
  make(1);
  start();
  core::Duration whole = 50ms;
  for (int attempt = 1; attempt <= 6; ++attempt, whole *= 2) {
    answer(0, unavailable("gone"));
    EXPECT_THAT(calls_, IsEmpty());
    ASSERT_TRUE(wake_.has_value());
    EXPECT_GE(*wake_ - now_, whole / 2);
    EXPECT_LE(*wake_ - now_, whole);
    now_ = *wake_ - 1ns;
    wait(0ns);
    EXPECT_THAT(calls_, IsEmpty());
    wait_for_wake();
    EXPECT_THAT(calls_, ElementsAre(0));
  }
  answer(0);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, AShardThatIsToBeRepeatedDoesNotHoldUpTheNext) {
  options_.calls_per_server = 1;
  make(2);
  start();
  answer(0, unavailable("gone"));
  EXPECT_THAT(calls_, ElementsAre(1));
}

TEST_F(ExchangeMachineTest, OtherFailuresCutTheRestAndEndWhenNothingIsInFlight) {
  make(5);
  start();
  answer(1, {StatusCode::kAborted, "fenced"});
  EXPECT_TRUE(cut_);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(end_, std::nullopt) << "two calls can still write to the buffers";
  answer(0);
  EXPECT_FALSE(cut_);
  answer(2, cancelled("cut"));
  EXPECT_EQ(end_, (Status{StatusCode::kAborted, "fenced"}));
}

TEST_F(ExchangeMachineTest, StopCutsAndDropsTheRest) {
  make(5);
  start();
  answer(0, unavailable("gone"));
  take(machine_->stop(now_));
  EXPECT_TRUE(cut_);
  for (const int shard : {1, 2, 3}) {
    EXPECT_EQ(end_, std::nullopt);
    answer(shard, cancelled("cut"));
  }
  EXPECT_EQ(end_->code(), StatusCode::kCancelled);
  take(machine_->stop(now_));
  EXPECT_EQ(end_, std::nullopt) << "nothing is under way";
}

TEST_F(ExchangeMachineTest, StopEndsAPauseAtOnce) {
  make(1);
  start();
  answer(0, unavailable("gone"));
  take(machine_->stop(now_));
  EXPECT_FALSE(cut_);
  EXPECT_EQ(end_->code(), StatusCode::kCancelled);
}

// --- Silence ---

TEST_F(ExchangeMachineTest, AMuteServerIsGivenUpAfterThirtySecondsExactly) {
  make(1);
  start();
  core::TimePoint deadline = now_ + timeout_;
  while (!cut_) {
    now_ = std::min(*wake_, deadline);
    if (now_ == deadline) {
      deadline = core::TimePoint::max();  // until it is asked again
      answer(0, deadline_exceeded("late"));
    } else {
      take(machine_->time(now_));
    }
    if (!calls_.empty()) deadline = now_ + timeout_;
  }
  EXPECT_EQ(now_, start_ + 30s);
  answer(0, cancelled("cut"));
  EXPECT_EQ(*end_, unavailable("server at host:0 has not answered for 30 s: late"));
}

TEST_F(ExchangeMachineTest, ARefusingServerIsGivenUpAfterThirtySecondsExactly) {
  make(1);
  start();
  while (!end_) {
    answer(0, unavailable("connection refused"));
    if (!end_) wait_for_wake();
  }
  EXPECT_EQ(now_, start_ + 30s);
  EXPECT_EQ(*end_, unavailable("server at host:0 has not answered for 30 s: connection refused"));
}

TEST_F(ExchangeMachineTest, SilenceIsCountedFromTheLastAnswerAndForEachServer) {
  options_.calls_per_server = 1;
  make(4, 2);
  start();
  wait(20s);
  answer(0);  // server 0; server 1 is mute
  wait(10s - 1ns);
  EXPECT_FALSE(cut_);
  wait(1ns);
  EXPECT_TRUE(cut_);
  answer(1, cancelled("cut"));
  answer(2, cancelled("cut"));
  EXPECT_THAT(end_->message(), HasSubstr("server at host:1 has not answered for 30 s"));
}

// Ctrl-Z, and minutes later fg: its connections may be gone, and the server has not woken up yet.
TEST_F(ExchangeMachineTest, TimeInWhichThisProcessWasStoppedIsNotTheServers) {
  make(1);
  start();
  wait(1s);
  now_ += 10min;
  answer(0, unavailable("connection reset"));
  EXPECT_FALSE(end_.has_value());
  wait(30s - 1ns);
  EXPECT_FALSE(cut_);
  EXPECT_THAT(calls_, ElementsAre(0));
  wait(1ns);
  EXPECT_TRUE(cut_);
  answer(0, cancelled("cut"));
  EXPECT_EQ(end_->code(), StatusCode::kUnavailable);
}

TEST_F(ExchangeMachineTest, AServerThatHasDoneItsPartMayBeSilent) {
  make(2, 2);
  start();
  answer(0);
  for (int i = 0; i < 10; ++i) {
    wait(20s);
    pong(1);
    EXPECT_FALSE(cut_);
  }
  answer(1);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, AnEarlierExchangesFailureIsNotThisOnes) {
  make(1);
  start();
  answer(0, unavailable("old news"));
  wait_for_wake();
  answer(0);
  start();
  wait(30s);
  answer(0, cancelled("cut"));
  EXPECT_THAT(end_->message(), HasSubstr("no answer"));
}

// --- Pings ---

TEST_F(ExchangeMachineTest, AServerIsAskedWhetherItLivesWhileACallIsOverdue) {
  make(1);
  start();
  EXPECT_EQ(wake_, start_ + 2s);
  wait(2s - 1ns);
  EXPECT_THAT(pings_, IsEmpty());
  wait(1ns);
  EXPECT_THAT(pings_, ElementsAre(0));
  wait(5s);
  EXPECT_THAT(pings_, IsEmpty()) << "one at a time";
  pong(0);
  EXPECT_THAT(pings_, ElementsAre(0)) << "the last was sent more than 2 s ago";
  pong(0);
  EXPECT_THAT(pings_, IsEmpty());
  EXPECT_EQ(wake_, now_ + 2s);
}

TEST_F(ExchangeMachineTest, PongsKeepAServerForAnyTime) {
  make(1);
  start();
  for (int i = 0; i < 1000; ++i) {
    wait_for_wake();
    ASSERT_FALSE(cut_);
    if (!pings_.empty()) pong(0);
  }
  EXPECT_GT(now_ - start_, 30min);
  answer(0);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, FailedPingsAreNoSignOfLife) {
  make(1);
  start();
  wait(2s);
  pong(0, unavailable("connection refused"));
  EXPECT_FALSE(cut_);
  wait(28s);
  EXPECT_TRUE(cut_);
  answer(0, cancelled("cut"));
  EXPECT_THAT(end_->message(), HasSubstr("connection refused"));
}

TEST_F(ExchangeMachineTest, AServerOfAnotherJobIsNotWaitedFor) {
  make(1);
  start();
  wait(2s);
  pong(0, failed_precondition("another job"));
  EXPECT_TRUE(cut_);
  answer(0, cancelled("cut"));
  EXPECT_EQ(end_, failed_precondition("another job"));
}

TEST_F(ExchangeMachineTest, APingThatWasCutWithAnExchangeDoesNotEndTheNext) {
  make(1);
  start();
  wait(2s);
  EXPECT_THAT(pings_, ElementsAre(0));
  take(machine_->stop(now_));
  answer(0, cancelled("cut"));
  EXPECT_EQ(end_->code(), StatusCode::kCancelled);
  start();
  pong(0, cancelled("cut"));
  EXPECT_FALSE(cut_);
  answer(0);
  EXPECT_EQ(end_, ok_status());
}

// --- Deadlines follow silence, not the size of messages ---

TEST_F(ExchangeMachineTest, ACallThatRunsOutOfTimeAtALivingServerGetsTwiceTheTime) {
  make(4);
  start();
  EXPECT_EQ(timeout_, 10s);
  wait(5s);
  pong(0);
  wait(5s);
  for (const int shard : {0, 1, 2}) answer(shard, deadline_exceeded("late"));
  EXPECT_THAT(calls_, IsEmpty()) << "shard 3 has taken the place of shard 0";
  wait(1s);
  EXPECT_THAT(calls_, testing::SizeIs(2));
  EXPECT_EQ(timeout_, 20s) << "three calls at once ran out of the same time";
  wait(5s);
  pong(0);
  wait(15s);
  answer(3, deadline_exceeded("late"));
  wait(1s);
  EXPECT_EQ(timeout_, 40s);
}

TEST_F(ExchangeMachineTest, ACallThatRunsOutOfTimeAtAMuteServerGetsNoMore) {
  make(1);
  start();
  wait(10s);
  answer(0, deadline_exceeded("late"));
  wait(1s);
  EXPECT_THAT(calls_, ElementsAre(0));
  EXPECT_EQ(timeout_, 10s);
}

TEST_F(ExchangeMachineTest, NoCallTakesLongerThanTheClientsPatience) {
  options_.give_up_after = 100ms;
  make(1);
  start();
  EXPECT_EQ(timeout_, 100ms);
}

TEST_F(ExchangeMachineTest, PatienceMayBeEndless) {
  options_.give_up_after = core::Duration::max();
  make(1);
  start();
  EXPECT_EQ(wake_, start_ + 2s);
  wait(240h);
  EXPECT_FALSE(cut_);
}

// Ten workers, each with three messages of 4 MiB under way, on a line of 100 Mb/s: a message needs
// 10 s and more, whatever comes too late is sent again from its start, and pongs take a second.
TEST(ExchangeMachineLinkTest, TenWorkersGetThroughASlowLink) {
  constexpr double kBytes = 4 << 20, kBytesPerSecond = 12.5e6 * 0.9;
  constexpr core::Duration kTick = 50ms;
  struct Call {
    int index;
    core::TimePoint deadline;
    double left;
  };
  struct Worker {
    ExchangeMachine machine;
    std::vector<Call> calls{};
    std::optional<core::TimePoint> pong{};
    std::optional<Status> end{};
    void take(const ExchangeMachine::Actions& actions, core::TimePoint now) {
      for (const auto& call : actions.calls) {
        calls.push_back({call.index, now + call.timeout, kBytes});
      }
      if (!actions.pings.empty()) pong = now + 1s;
      if (actions.end) end = actions.end;
    }
  };
  core::TimePoint now{1h};
  const std::vector<ExchangeMachine::Unit> units(10);
  std::vector<Worker> workers;
  for (uint64_t i = 0; i < 10; ++i) {
    workers.push_back({ExchangeMachine({"host:1"}, {}, i)});
    workers.back().take(workers.back().machine.start(ExchangeMachine::Kind::kOnce, units, now),
                        now);
  }
  int expired = 0;
  const auto busy = [](const Worker& w) { return !w.end.has_value(); };
  while (std::any_of(workers.begin(), workers.end(), busy)) {
    now += kTick;
    ASSERT_LT(now, core::TimePoint{2h});
    size_t under_way = 0;
    for (const Worker& w : workers) under_way += w.calls.size();
    const double share = kBytesPerSecond * core::to_seconds(kTick) /
                         static_cast<double>(std::max<size_t>(under_way, 1));
    for (Worker& w : workers) {
      std::vector<Call> over;
      for (Call& call : w.calls) {
        call.left -= share;
        if (call.left <= 0 || now >= call.deadline) over.push_back(call);
      }
      std::erase_if(w.calls,
                    [&](const Call& call) { return call.left <= 0 || now >= call.deadline; });
      for (const Call& call : over) {
        expired += call.left > 0 ? 1 : 0;
        w.take(w.machine.answered(call.index,
                                  call.left > 0 ? deadline_exceeded("late") : ok_status(), now),
               now);
      }
      if (w.pong && now >= *w.pong) {
        w.pong.reset();
        w.take(w.machine.ponged(0, ok_status(), now), now);
      }
      w.take(w.machine.time(now), now);
    }
  }
  for (const Worker& w : workers) EXPECT_EQ(w.end, ok_status());
  EXPECT_GT(expired, 0) << "the link is not slow";
}

// --- A server without room ---

TEST_F(ExchangeMachineTest, AServerWithoutRoomLivesButNotForEver) {
  make(1);
  start();
  while (!end_) {
    answer(0, {StatusCode::kResourceExhausted, "no memory"});
    if (!end_) wait_for_wake();
    ASSERT_FALSE(cut_);
  }
  EXPECT_GE(now_ - start_, 30s);
  EXPECT_LE(now_ - start_, 32s);
  EXPECT_EQ(*end_, (Status{StatusCode::kResourceExhausted, "no memory"}));
}

// --- For whom it waits ---

TEST_F(ExchangeMachineTest, SaysOnceForWhomItWaitsWhenAnAnswerIsOverdue) {
  make(1);
  start();
  wait(2s);
  pong(0);
  wait(2s);
  EXPECT_THAT(said_, ElementsAre("server at host:0, which has not answered yet"));
  answer(0);
  EXPECT_THAT(said_, ElementsAre("server at host:0, which has not answered yet", ""));
}

TEST_F(ExchangeMachineTest, SaysOnceWhyACallIsRepeatedAndThatTheWaitIsOverHoweverItEnds) {
  make(1);
  start();
  for (int i = 0; i < 3; ++i) {
    answer(0, unavailable("gone"));
    wait_for_wake();
  }
  answer(0, {StatusCode::kAborted, "fenced"});
  EXPECT_THAT(said_, ElementsAre("server at host:0: gone", ""));
}

// The server answers pings and holds the answer: nothing is wrong with it, for however long.
TEST_F(ExchangeMachineTest, WhomAnAnswerIsHeldForIsNamedWhateverBecomesOfTheCall) {
  make(1);
  start();
  wait(2s);
  pong(0, ok_status(), "worker 1");
  wait(8s);
  answer(0, {StatusCode::kDeadlineExceeded, "did not answer within 10 s"});
  wait(2s);
  pong(0, ok_status(), "worker 1");
  wait(2s);
  pong(0, ok_status(), "workers 1, 2");
  answer(0);
  EXPECT_THAT(said_,
              ElementsAre("server at host:0, which has not answered yet",
                          "worker 1, which is behind", "workers 1, 2, which are behind", ""));
}

TEST_F(ExchangeMachineTest, AServerThatFailedAndHoldsAnswersNowIsBlamedNoMore) {
  make(2, 2);
  start();
  answer(0, unavailable("gone"));
  wait(2s);
  pong(1, ok_status(), "worker 1");
  EXPECT_THAT(said_, ElementsAre("server at host:0: gone")) << "the worse news";
  pong(0, ok_status(), "worker 1");
  EXPECT_THAT(said_, ElementsAre("server at host:0: gone", "worker 1, which is behind"));
}

// --- Many shards ---

TEST_F(ExchangeMachineTest, TwentyThousandAnswersTakeTimeInProportion) {
  constexpr int kShards = 20'000;
  make(kShards);
  start();
  for (int shard = 0; shard < kShards; ++shard) answer(shard);
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ExchangeMachineTest, SoDoTwentyThousandFailures) {
  constexpr int kShards = 20'000;
  options_.calls_per_server = kShards;
  make(kShards);
  start();
  for (int shard = 0; shard < kShards; ++shard) answer(shard, unavailable("gone"));
  wait(1s);
  EXPECT_EQ(calls_.size(), size_t{kShards});
}

}  // namespace
}  // namespace sluice::client
