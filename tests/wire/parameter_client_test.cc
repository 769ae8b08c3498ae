#include "wire/parameter_client.h"

#include <gmock/gmock.h>

#include <deque>
#include <future>
#include <thread>

namespace sluice::wire {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Answers every call at once with the next scripted status of its shard, or success; remembers.
class ScriptedChannel final : public ParameterChannel {
 public:
  ~ScriptedChannel() override {  // as channels do: what is under way is cut off
    always = {StatusCode::kCancelled, "the channel closed"};
    for (const auto& answer : held) answer();
  }

  struct Seen {
    PushHeader header;
    std::vector<float> update;
  };

  void exchange(const PushHeader& header, Payload update, std::span<float> into,
                const CallOptions& options,
                std::function<void(Result<PulledVersion>)> done) override {
    timeout = options.timeout;
    seen.push_back({header, {update.values.begin(), update.values.end()}});
    answer(header.shard, into, std::move(done));
  }
  void pull(uint64_t, int shard, std::span<float> into, const CallOptions&,
            std::function<void(Result<PulledVersion>)> done) override {
    answer(shard, into, std::move(done));
  }
  void push(const PushHeader&, Payload, const CallOptions&,
            std::function<void(Result<PushReply>)>) override {}
  Status create(const CreateRequest&, const CallOptions&) override { return ok_status(); }
  Status assign(const AssignRequest&, Payload, const CallOptions&) override { return ok_status(); }
  Result<FenceReply> fence(const FenceRequest&, const CallOptions&) override {
    return FenceReply{};
  }
  Result<LedgerReply> ledger(uint64_t, const CallOptions&) override { return LedgerReply{}; }
  Status shutdown(const std::string&, const CallOptions&) override { return ok_status(); }
  const std::string& address() const override { return address_; }

  std::map<int, std::deque<Status>> script;
  Status always;  // when the script is empty
  std::vector<Seen> seen;
  core::Duration timeout{};  // of the last exchange
  int64_t version = 0;
  // When true, answers wait here instead, in the order of the calls.
  bool hold = false;
  std::deque<std::function<void()>> held;

 private:
  void answer(int shard, std::span<float> into, std::function<void(Result<PulledVersion>)> done) {
    if (hold) {
      held.push_back([=, this] { answer_now(shard, into, done); });
    } else {
      answer_now(shard, into, done);
    }
  }

  void answer_now(int shard, std::span<float> into,
                  const std::function<void(Result<PulledVersion>)>& done) {
    Status status = always;
    if (auto& next = script[shard]; !next.empty()) {
      status = next.front();
      next.pop_front();
    }
    if (!status.ok()) return done(status);
    std::fill(into.begin(), into.end(), static_cast<float>(shard + 1));
    done(PulledVersion{{}, ++version});
  }
  std::string address_ = "scripted";
};

class ScriptedTransport final : public Transport {
 public:
  Result<std::unique_ptr<Listener>> listen(const std::string&, ParameterService*, int) override {
    return unavailable("not here");
  }
  Result<std::unique_ptr<Listener>> listen(const std::string&, ControlService*) override {
    return unavailable("not here");
  }
  std::shared_ptr<ParameterChannel> connect_parameters(const std::string&) override {
    ++channels;
    return gives_away ? std::exchange(channel, std::make_shared<ScriptedChannel>()) : channel;
  }
  std::shared_ptr<ControlChannel> connect_control(const std::string&) override { return nullptr; }

  std::shared_ptr<ScriptedChannel> channel = std::make_shared<ScriptedChannel>();
  bool gives_away = false;  // then every client has its own channel, and nobody else
  int channels = 0;
};

class ParameterClientTest : public testing::Test {
 protected:
  ParameterClientTest() {
    options_.first_backoff = 1ms;
    options_.largest_backoff = 5ms;
    options_.give_up_after = 100ms;
  }
  ParameterClient client(const ShardMap& map = ShardMap::even(64, 2, 1)) {
    return {transport_,
            7,
            map,
            {"scripted"},
            options_,
            [this] { return stop_.load(); },
            [this](const std::string& whom) { waits_.push_back(whom); }};
  }
  std::shared_ptr<core::AlignedBuffer> update(float value) {
    auto buffer = std::make_shared<core::AlignedBuffer>(values_.size());
    for (float& v : buffer->span()) v = value;
    return buffer;
  }

  ScriptedTransport transport_;
  ParameterClientOptions options_;
  std::atomic<bool> stop_{false};
  std::vector<std::string> waits_;
  std::vector<float> values_ = std::vector<float>(64);
};

TEST_F(ParameterClientTest, PullsEveryShardIntoItsPlace) {
  auto c = client();
  ASSERT_TRUE(c.pull(values_).ok());
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(values_[i], 1);
  for (size_t i = 32; i < 64; ++i) EXPECT_EQ(values_[i], 2);
  EXPECT_TRUE(waits_.empty());
}

TEST_F(ParameterClientTest, RepeatsAFailedShardWithTheSameIdentityAndBytesOnly) {
  transport_.channel->script[1] = {unavailable("server 0 is gone"), deadline_exceeded("late")};
  auto c = client();
  PushHeader header;
  header.id = {3, 4, 5};
  header.metrics = {{0, 16, 1.5, 12}};
  c.start_exchange(header, update(0.25f), values_);
  ASSERT_TRUE(c.wait().ok());
  const auto& seen = transport_.channel->seen;
  ASSERT_EQ(seen.size(), 4u);  // shard 0 once, shard 1 three times
  for (const auto& call : seen) {
    EXPECT_EQ(call.header.id, header.id);
    EXPECT_EQ(call.header.job, 7u);
    EXPECT_EQ(call.update, std::vector<float>(32, 0.25f));
    EXPECT_EQ(call.header.metrics.size(), call.header.shard == 0 ? 1u : 0u);
  }
  EXPECT_EQ(waits_, (std::vector<std::string>{"server 0 is gone", ""}));
}

TEST_F(ParameterClientTest, SendsTheVersionThatItPulledLast) {
  auto c = client();
  ASSERT_TRUE(c.pull(values_).ok());
  c.start_exchange({}, update(1), values_);
  ASSERT_TRUE(c.wait().ok());
  EXPECT_EQ(transport_.channel->seen[0].header.base_version, 1);
  EXPECT_EQ(transport_.channel->seen[1].header.base_version, 2);
}

TEST_F(ParameterClientTest, GivesUpOnAServerThatStaysSilent) {
  transport_.channel->always = unavailable("server at scripted does not answer");
  auto c = client();
  const Status status = c.pull(values_);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("server at scripted"));
}

TEST_F(ParameterClientTest, BeingFencedOffIsNotRetried) {
  transport_.channel->script[0] = {{StatusCode::kAborted, "fenced"}};
  auto c = client();
  c.start_exchange({}, update(1), values_);
  EXPECT_EQ(c.wait().code(), StatusCode::kAborted);
  EXPECT_EQ(transport_.channel->seen.size(), 2u);
  EXPECT_TRUE(c.pull(values_).ok()) << "the client can be used again";
}

TEST_F(ParameterClientTest, StopEndsAWait) {
  options_.give_up_after = 1h;
  transport_.channel->always = unavailable("gone");
  auto c = client();
  stop_ = true;
  EXPECT_EQ(c.pull(values_).code(), StatusCode::kCancelled);
}

TEST_F(ParameterClientTest, AFewCallsAreUnderWayAtATime) {
  options_.calls_per_server = 3;
  ScriptedChannel& channel = *transport_.channel;
  channel.hold = true;
  values_.resize(128);
  auto c = client(ShardMap::even(128, 8, 1));
  c.start_exchange({}, update(1), values_);
  for (size_t answered = 0; answered < 8; ++answered) {
    EXPECT_EQ(channel.seen.size(), std::min<size_t>(answered + 3, 8));
    const auto answer = channel.held.front();
    channel.held.pop_front();
    answer();
  }
  EXPECT_TRUE(c.wait().ok());
  for (size_t shard = 0; shard < 8; ++shard) {
    EXPECT_EQ(channel.seen[shard].header.shard, static_cast<int>(shard));
    EXPECT_EQ(values_[shard * 16], static_cast<float>(shard + 1));
  }
}

TEST_F(ParameterClientTest, StopCutsOffWhatIsUnderWayAndDropsTheRest) {
  options_.calls_per_server = 1;
  transport_.gives_away = true;
  transport_.channel->hold = true;
  auto c = client();
  c.start_exchange({}, update(1), values_);
  stop_ = true;
  EXPECT_EQ(c.wait().code(), StatusCode::kCancelled) << "or it waits for ever";
  EXPECT_EQ(transport_.channels, 2);
  stop_ = false;
  EXPECT_TRUE(c.pull(values_).ok()) << "the client can be used again";
}

TEST_F(ParameterClientTest, SaysForWhomItWaitsWhenAnAnswerIsOverdue) {
  options_.speak_after = 1ms;
  ScriptedChannel& channel = *transport_.channel;
  channel.hold = true;
  std::promise<void> said;
  ParameterClient c(
      transport_, 7, ShardMap::even(64, 1, 1), {"host:1"}, options_, [] { return false; },
      [&](const std::string& whom) {
        if (waits_.empty()) said.set_value();
        waits_.push_back(whom);
      });
  c.start_exchange({}, update(1), values_);
  std::thread server([&] {
    said.get_future().wait();
    const auto answer = channel.held.front();
    channel.held.clear();
    answer();
  });
  EXPECT_TRUE(c.wait().ok());
  server.join();
  EXPECT_EQ(waits_, (std::vector<std::string>{"server at host:1 has not answered yet", ""}));
}

TEST_F(ParameterClientTest, AWaitThatFailsIsOverToo) {
  transport_.channel->script[1] = {unavailable("gone"), {StatusCode::kAborted, "fenced"}};
  auto c = client();
  c.start_exchange({}, update(1), values_);
  EXPECT_EQ(c.wait().code(), StatusCode::kAborted);
  EXPECT_EQ(waits_, (std::vector<std::string>{"gone", ""}));
}

TEST_F(ParameterClientTest, NoCallTakesLongerThanTheClientsPatience) {
  auto c = client();
  c.start_exchange({}, update(1), values_);
  ASSERT_TRUE(c.wait().ok());
  EXPECT_EQ(transport_.channel->timeout, options_.give_up_after);
}

TEST_F(ParameterClientTest, SendsTheVersionsThatItIsGiven) {
  auto c = client();
  ASSERT_TRUE(c.pull(values_).ok());
  const std::vector<int64_t> older = {-3, -4};
  c.start_exchange({}, update(1), values_, older);
  ASSERT_TRUE(c.wait().ok());
  EXPECT_EQ(transport_.channel->seen[0].header.base_version, -3);
  EXPECT_EQ(transport_.channel->seen[1].header.base_version, -4);
}

TEST_F(ParameterClientTest, ManyShardsThatAnswerAtOnceDoNotPileUpOnTheStack) {
  constexpr int kShards = 20'000;
  values_.resize(16 * kShards);
  auto c = client(ShardMap::even(values_.size(), kShards, 1));
  EXPECT_TRUE(c.pull(values_).ok());
  EXPECT_EQ(values_.back(), kShards);
}

}  // namespace
}  // namespace sluice::wire
