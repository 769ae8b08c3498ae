#include "client/parameter_client.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "core/real_world.h"
#include "tests/client/scripted_transport.h"
#include "tests/support/await.h"
#include "tests/support/manual_world.h"
#include "tests/support/unused_channel.h"

namespace sluice::client {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using wire::ShardMap;

class ParameterClientTest : public testing::Test {
 protected:
  void make(const ShardMap& map = ShardMap::even(64, 2, 1)) {
    client_.emplace(world_, transport_, world_.make_strand("timers"), 7,
                    wire::Placement{0, map, {"scripted"}}, options_,
                    [this](const std::string& whom) { waits_.push_back(whom); });
  }
  std::shared_ptr<core::AlignedBuffer> update(float value) {
    auto buffer = std::make_shared<core::AlignedBuffer>(values_.size());
    for (float& v : buffer->span()) v = value;
    return buffer;
  }
  // Start, without waiting for the end.
  void start_pull() {
    end_.reset();
    client_->pull(values_, [this](Status status) { end_ = std::move(status); });
  }
  void start_exchange(const wire::PushHeader& header = {}, float value = 1,
                      const Versions& base_versions = {}) {
    end_.reset();
    client_->exchange(header, client_->shard_map().whole(), update(value), values_, base_versions,
                      [this](Status status) { end_ = std::move(status); });
  }
  Status wait(core::Duration most = 1h) {
    const bool ended = world_.run_until([this] { return end_.has_value(); }, most);
    return ended ? *end_ : deadline_exceeded("the test waits for ever");
  }
  Status pull() {
    start_pull();
    return wait();
  }
  ScriptedChannel& channel() { return *transport_.channel; }

  ManualWorld world_;
  ScriptedTransport transport_;
  ExchangeOptions options_;
  std::vector<std::string> waits_;
  std::vector<float> values_ = std::vector<float>(64);
  std::optional<Status> end_;
  std::optional<ParameterClient> client_;
};

TEST_F(ParameterClientTest, PullsEveryShardIntoItsPlace) {
  make();
  ASSERT_TRUE(pull().ok());
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(values_[i], 1);
  for (size_t i = 32; i < 64; ++i) EXPECT_EQ(values_[i], 2);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(ParameterClientTest, PullsAveragesWhenItIsAskedTo) {
  make();
  client_->pull_averages(values_, [this](Status status) { end_ = std::move(status); });
  ASSERT_TRUE(wait().ok());
  ASSERT_TRUE(pull().ok());
  EXPECT_THAT(channel().averages_pulled, ElementsAre(true, true, false, false));
}

TEST_F(ParameterClientTest, RepeatsAFailedShardWithTheSameIdentityAndBytesOnly) {
  channel().script[1] = {unavailable("server 0 is gone"), deadline_exceeded("late")};
  make();
  wire::PushHeader header;
  header.id = {3, 4, 5};
  header.metrics = {{0, 16, 1.5, {12}}};
  start_exchange(header, 0.25f);
  ASSERT_TRUE(wait().ok());
  const auto& seen = channel().seen;
  ASSERT_EQ(seen.size(), 6u);  // shard 0 is staged once, shard 1 three times; and two commits
  for (const auto& call : seen) {
    const bool commits = call.header.step == wire::PushStep::kCommit;
    EXPECT_EQ(call.header.id, header.id);
    EXPECT_EQ(call.header.job, 7u);
    EXPECT_EQ(call.update, std::vector<float>(commits ? 0 : 32, 0.25f));
    const bool tells = !commits && call.header.shards.first == 0;
    EXPECT_EQ(call.header.metrics.size(), tells ? 1u : 0u);
  }
  EXPECT_THAT(waits_, ElementsAre("server at scripted: server 0 is gone", ""));
}

TEST_F(ParameterClientTest, SendsTheVersionThatItPulledLast) {
  make();
  ASSERT_TRUE(pull().ok());
  EXPECT_THAT(client_->versions().by_shard(), ElementsAre(1, 2));
  start_exchange();
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(channel().seen[0].header.base_version, 1);
  EXPECT_EQ(channel().seen[1].header.base_version, 2);
}

TEST_F(ParameterClientTest, SendsTheVersionsThatItIsGiven) {
  make();
  ASSERT_TRUE(pull().ok());
  Versions older(client_->shard_map());
  older.set(0, -3);
  older.set(1, -4);
  start_exchange({}, 1, older);
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(channel().seen[0].header.base_version, -3);
  EXPECT_EQ(channel().seen[1].header.base_version, -4);
}

TEST_F(ParameterClientTest, TellsWhatWasExchanged) {
  options_.traffic = std::make_shared<TrafficMeter>();
  channel().script[1] = {unavailable("once more")};
  make();
  wire::PushHeader header;
  header.encoding = *compression::Compression::parse("bf16");
  start_exchange(header);
  ASSERT_TRUE(wait().ok());
  start_exchange(header);
  ASSERT_TRUE(wait().ok());
  const auto traffic = options_.traffic->all();
  ASSERT_EQ(traffic.size(), 1u);
  EXPECT_EQ(traffic[0].exchanges, 2);
  EXPECT_EQ(traffic[0].sent_bytes, 5 * 32 * 2) << "two shards, one of them once more";
  EXPECT_EQ(traffic[0].received_bytes, 4 * 32 * 4);
  EXPECT_EQ(traffic[0].saved_bytes, 5 * 32 * 2);
  EXPECT_GT(traffic[0].seconds, 0);
}

TEST_F(ParameterClientTest, SaysWhatItHoldsAsLongAsNobodyElseHasWrittenThere) {
  options_.pull = *compression::Compression::parse("int8");
  make();
  client_->pull_for(0, 9, client_->shard_map().whole(), values_,
                    [this](Status status) { end_ = std::move(status); });
  ASSERT_TRUE(wait().ok());
  start_exchange();
  ASSERT_TRUE(wait().ok());
  const auto names = [&] {
    std::vector<uint64_t> result;
    for (const auto& call : channel().seen) {
      if (call.header.wanted) result.push_back(call.header.wanted->holds);
    }
    return result;
  };
  EXPECT_THAT(names(), ElementsAre(1, 2)) << "as the answers to the pull were called";
  std::vector<float> elsewhere(64);
  end_.reset();
  client_->exchange({}, client_->shard_map().whole(), update(1), elsewhere, {},
                    [this](Status status) { end_ = std::move(status); });
  ASSERT_TRUE(wait().ok());
  EXPECT_THAT(names(), ElementsAre(1, 2, 0, 0));
}

TEST_F(ParameterClientTest, GivesUpOnAServerThatStaysSilent) {
  channel().always = unavailable("server at scripted does not answer");
  make();
  const core::TimePoint start = world_.now();
  const Status status = pull();
  EXPECT_EQ(world_.now() - start, 30s);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("server at scripted"));
}

TEST_F(ParameterClientTest, AServerThatSaysThatItLivesIsWaitedFor) {
  channel().hold = true;
  make(ShardMap::even(64, 1, 1));
  start_exchange();
  EXPECT_EQ(wait(10min).code(), StatusCode::kDeadlineExceeded);
  EXPECT_GT(channel().pings, 100);
  channel().answer_held();
  EXPECT_EQ(end_, ok_status());
}

TEST_F(ParameterClientTest, BeingFencedOffIsNotRetried) {
  channel().script[0] = {{StatusCode::kAborted, "fenced"}};
  make();
  start_exchange();
  EXPECT_EQ(wait().code(), StatusCode::kAborted);
  EXPECT_LE(channel().seen.size(), 2u);
  EXPECT_TRUE(pull().ok()) << "the client can be used again";
}

TEST_F(ParameterClientTest, StopEndsAWait) {
  options_.give_up_after = 1h;
  channel().always = unavailable("gone");
  make();
  start_pull();
  world_.advance(1s);
  client_->stop();
  EXPECT_EQ(wait(0s).code(), StatusCode::kCancelled);
}

TEST_F(ParameterClientTest, AFewCallsAreUnderWayAtATime) {
  options_.calls_per_server = 3;
  channel().hold = true;
  values_.resize(128);
  make(ShardMap::even(128, 8, 1));
  start_exchange();
  for (size_t staged = 0; staged < 5; ++staged) {
    EXPECT_EQ(channel().seen.size(), std::min<size_t>(staged + 3, 8));
    channel().answer_held();
  }
  while (!channel().held.empty()) channel().answer_held();
  EXPECT_TRUE(wait().ok());
  EXPECT_EQ(channel().seen.size(), 16u);
  for (size_t shard = 0; shard < 8; ++shard) {
    EXPECT_EQ(channel().seen[shard].header.shards.first, static_cast<int>(shard));
    EXPECT_EQ(values_[shard * 16], static_cast<float>(shard + 1));
  }
}

TEST_F(ParameterClientTest, StopCutsOffWhatIsUnderWayAndDropsTheRest) {
  options_.calls_per_server = 1;
  channel().hold = true;
  make();
  start_exchange();
  client_->stop();
  EXPECT_EQ(wait(0s).code(), StatusCode::kCancelled) << "or it waits for ever";
  EXPECT_EQ(channel().cuts, 1);
  EXPECT_EQ(channel().seen.size(), 1u);
  channel().hold = false;
  EXPECT_TRUE(pull().ok()) << "the client can be used again";
}

TEST_F(ParameterClientTest, NothingTouchesTheBuffersWhenItIsGone) {
  channel().hold = true;
  make();
  start_exchange();
  client_.reset();
  EXPECT_EQ(end_->code(), StatusCode::kCancelled);
  EXPECT_TRUE(channel().held.empty());
}

TEST_F(ParameterClientTest, SaysForWhomItWaitsWhenAnAnswerIsOverdue) {
  channel().hold = true;
  make(ShardMap::even(64, 1, 1));
  start_exchange();
  world_.advance(options_.speak_after);
  channel().answer_held();
  EXPECT_TRUE(wait().ok());
  EXPECT_THAT(waits_, ElementsAre("server at scripted, which has not answered yet", ""));
}

TEST_F(ParameterClientTest, AWaitThatFailsIsOverToo) {
  channel().script[1] = {unavailable("gone"), {StatusCode::kAborted, "fenced"}};
  make();
  start_exchange();
  EXPECT_EQ(wait().code(), StatusCode::kAborted);
  EXPECT_THAT(waits_, ElementsAre("server at scripted: gone", ""));
}

TEST_F(ParameterClientTest, NoCallTakesLongerThanTheClientsPatience) {
  options_.give_up_after = 100ms;
  make();
  start_exchange();
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(channel().timeout, options_.give_up_after);
}

TEST_F(ParameterClientTest, TheNextExchangeMayBeginInTheAnswerToThisOne) {
  make();
  int exchanges = 0;
  std::function<void(Status)> next = [&](const Status& status) {
    EXPECT_TRUE(status.ok());
    if (++exchanges == 1000) return;
    client_->exchange({}, client_->shard_map().whole(), update(1), values_, {}, next);
  };
  client_->pull(values_, next);
  EXPECT_EQ(exchanges, 1000);
}

TEST_F(ParameterClientTest, ManyShardsThatAnswerAtOnceDoNotPileUpOnTheStack) {
  constexpr int kShards = 20'000;
  values_.resize(16 * kShards);
  make(ShardMap::even(values_.size(), kShards, 1));
  EXPECT_TRUE(pull().ok());
  EXPECT_EQ(values_.back(), kShards);
}

// --- Threads ---

// Answers on two threads, or in cut(), whoever is first.
class ThreadedServers final : public wire::Transport {
 public:
  class Channel final : public UnusedChannel {
   public:
    Channel() {
      for (auto& strand : strands_) strand = core::real_world().make_strand("server");
    }
    ~Channel() override {
      cut();
      for (auto& strand : strands_) strand->close();
    }
    void exchange(const wire::PushHeader& header, wire::Bytes update, std::span<float> into,
                  const wire::CallOptions&, core::Reply<Result<PulledVersion>> reply) override {
      hold(header.shards.first, update, into, std::move(reply));
    }
    void pull(const wire::PullRequest& request, std::span<float> into, const wire::CallOptions&,
              core::Reply<Result<PulledVersion>> reply) override {
      hold(request.shards.first, {}, into, std::move(reply));
    }
    void ping(uint64_t, const wire::CallOptions&,
              core::Reply<Result<wire::PingReply>> reply) override {
      reply(wire::PingReply{});
    }
    void set_gate(const wire::GateRequest&, const wire::CallOptions&,
                  core::Reply<Status> reply) override {
      reply(ok_status());
    }
    void cut() override {
      std::map<int, Held> calls;
      {
        std::lock_guard lock(mutex_);
        calls.swap(held_);
      }
      for (auto& [id, call] : calls) call.reply(cancelled("cut"));
    }
    const std::string& address() const override { return address_; }

   private:
    struct Held {
      wire::Bytes update;
      std::span<float> into;
      core::Reply<Result<PulledVersion>> reply;
    };
    void hold(int shard, wire::Bytes update, std::span<float> into,
              core::Reply<Result<PulledVersion>> reply) {
      int id;
      {
        std::lock_guard lock(mutex_);
        id = ++last_;
        held_.emplace(id, Held{std::move(update), into, std::move(reply)});
      }
      strands_[shard % 2]->post([this, id] { answer(id); });
    }
    void answer(int id) {
      std::map<int, Held>::node_type call;
      {
        std::lock_guard lock(mutex_);
        call = held_.extract(id);
      }
      if (!call) return;
      for (float& value : call.mapped().into) value += 1;
      call.mapped().reply(PulledVersion{{}, id});
    }

    const std::string address_ = "threads";
    std::shared_ptr<core::Strand> strands_[2];
    std::mutex mutex_;
    int last_ = 0;
    std::map<int, Held> held_;
  };

  Result<std::unique_ptr<wire::Listener>> listen(const std::string&, wire::ParameterService*,
                                                 const wire::ListenOptions&) override {
    return unavailable("not here");
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&,
                                                 wire::ControlService*) override {
    return unavailable("not here");
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string&) override {
    return std::make_shared<Channel>();
  }
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string&) override {
    return nullptr;
  }
};

TEST(ParameterClientThreadsTest, AnswersAndStopsMayComeFromAnywhere) {
  ThreadedServers servers;
  const auto timers = core::real_world().make_strand("timers");
  std::vector<float> values(64 * 8);
  const auto update = std::make_shared<core::AlignedBuffer>(values.size());
  int ended_well = 0;
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> go_on{true};
    ParameterClient client(core::real_world(), servers, timers, 7,
                           {0, ShardMap::even(values.size(), 8, 2), {"a", "b"}}, {},
                           [](const std::string&) {});
    std::thread stopper([&] {
      while (go_on) {
        client.stop();
        std::this_thread::yield();
      }
    });
    for (int i = 0; i < 20; ++i) {
      const Status status = await_status([&](auto reply) {
        client.exchange({}, client.shard_map().whole(), update, values, {}, std::move(reply));
      });
      EXPECT_TRUE(status.ok() || status.code() == StatusCode::kCancelled) << status;
      ended_well += status.ok() ? 1 : 0;
      values[0] = 0;  // the buffer is the test's again
    }
    go_on = false;
    stopper.join();
    EXPECT_TRUE(await_status([&](auto reply) { client.pull(values, std::move(reply)); }).ok());
    ++ended_well;
  }
  EXPECT_GT(ended_well, 0);
}

// Servers without a shard of the part are told of the push.
TEST_F(ParameterClientTest, PushesAndPullsOnePart) {
  const ShardMap map({{0, 0, 32, 0}, {1, 32, 32, 1}, {2, 64, 32, 2}});
  client_.emplace(world_, transport_, world_.make_strand("timers"), 7,
                  wire::Placement{0, map, std::vector<std::string>(3, "scripted")}, options_,
                  [](const std::string&) {});
  values_.assign(32, 0);
  const ShardMap::Part part = map.part(1, 3);
  client_->pull_for(2, 1, part, values_, [this](Status status) { end_ = std::move(status); });
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(values_, std::vector<float>(32, 2));
  EXPECT_THAT(client_->versions().by_shard(), ElementsAre(0, 1, 0));
  end_.reset();
  wire::PushHeader header;
  header.metrics = {{0, 16, 1.5, {12}}};
  client_->exchange(header, part, update(0.5f), values_, client_->versions(),
                    [this](Status status) { end_ = std::move(status); });
  ASSERT_TRUE(wait().ok());
  const auto& seen = channel().seen;
  ASSERT_EQ(seen.size(), 6u) << "staged at three servers, and committed";
  EXPECT_EQ(seen[0].header.shards.count, 0);
  EXPECT_EQ(seen[0].header.metrics.size(), 1u) << "the ledger server";
  EXPECT_EQ(seen[1].header.shards, (wire::ShardRange{1, 1}));
  EXPECT_EQ(seen[1].update, std::vector<float>(32, 0.5f));
  EXPECT_EQ(seen[1].header.base_version, 1);
  EXPECT_TRUE(seen[1].header.metrics.empty());
  EXPECT_EQ(seen[2].header.shards.count, 0);
  EXPECT_TRUE(seen[2].header.metrics.empty());
}

// With backup workers one server says for all whether the push came too late.
TEST_F(ParameterClientTest, WhatTheLedgerServerDecidedIsToldToTheOthers) {
  options_.decided_pushes = true;
  channel().superseded = true;
  client_.emplace(world_, transport_, world_.make_strand("timers"), 7,
                  wire::Placement{0, ShardMap::even(64, 2, 2), {"scripted", "scripted"}}, options_,
                  [](const std::string&) {});
  start_exchange();
  ASSERT_TRUE(wait().ok());
  const auto& seen = channel().seen;
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[2].header.shards.count, 0);
  EXPECT_EQ(seen[2].header.superseded, std::nullopt);
  for (const size_t commit : {size_t{3}, size_t{4}}) {
    EXPECT_EQ(seen[commit].header.superseded, true) << commit;
  }
}

// --- Shards that move ---

const Status kGone{wire::kMoved, "they have moved"};

TEST_F(ParameterClientTest, BeginsAgainWhereTheShardsHaveMoved) {
  options_.follows = true;
  make();
  channel().script[1] = {kGone};
  start_exchange({}, 0.5f);
  world_.advance(1s);
  EXPECT_FALSE(end_);
  EXPECT_THAT(waits_, testing::IsEmpty()) << "it need not be said at once";
  world_.advance(10s);
  EXPECT_THAT(waits_, ElementsAre("the driver to say where the parameters have moved"));
  const size_t before = channel().seen.size();
  client_->follow({3, ShardMap::even(64, 4, 2), {"scripted", "scripted"}});
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(waits_.back(), "");
  EXPECT_THAT(values_, testing::Each(testing::Gt(0)));
  EXPECT_EQ(client_->shard_map().size(), 4);
  std::set<int> shards;
  for (size_t i = before; i < channel().seen.size(); ++i) {
    const auto& [header, update] = channel().seen[i];
    EXPECT_EQ(header.revision, 3);
    if (header.step != wire::PushStep::kCommit) {
      EXPECT_THAT(update, testing::Each(0.5f));
    }
    shards.insert(header.shards.first);
  }
  EXPECT_THAT(shards, ElementsAre(0, 1, 2, 3));
}

// What was said before it is asked for is there already.
TEST_F(ParameterClientTest, TheNextMapMayBeKnownBeforeTheShardsAreGone) {
  options_.follows = true;
  make();
  channel().hold = true;
  start_pull();
  client_->follow({1, ShardMap::even(64, 4, 1), {"scripted"}});
  EXPECT_EQ(client_->shard_map().size(), 2) << "as long as it is in use";
  channel().hold = false;
  channel().script[0] = {kGone};
  while (!channel().held.empty()) channel().answer_held();
  ASSERT_TRUE(wait().ok());
  EXPECT_EQ(client_->shard_map().size(), 4);
  EXPECT_THAT(waits_, testing::Each(""));
}

TEST_F(ParameterClientTest, BetweenTwoExchangesItGoesWhereItIsTold) {
  make();
  ASSERT_TRUE(pull().ok());
  EXPECT_THAT(client_->versions().by_shard(), ElementsAre(1, 2));
  client_->follow({2, ShardMap::even(64, 1, 1), {"scripted"}});
  EXPECT_THAT(client_->versions().by_shard(), ElementsAre(1));
  client_->follow({1, ShardMap::even(64, 4, 1), {"scripted"}});
  EXPECT_EQ(client_->shard_map().size(), 1) << "news that are old";
  ASSERT_TRUE(pull().ok());
}

TEST_F(ParameterClientTest, WhoIsToldOfNoMoveFailsWhereTheShardsAreGone) {
  make();
  channel().script[0] = {kGone};
  EXPECT_EQ(pull().code(), wire::kMoved);
}

TEST_F(ParameterClientTest, StopsWhileItWaitsForTheNextMap) {
  options_.follows = true;
  make();
  channel().always = kGone;
  start_pull();
  world_.advance(5s);
  client_->stop();
  EXPECT_EQ(wait().code(), StatusCode::kCancelled);
  EXPECT_EQ(waits_.back(), "");
  channel().always = ok_status();
  EXPECT_TRUE(pull().ok());
}

}  // namespace
}  // namespace sluice::client
