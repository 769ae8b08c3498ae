// Answers that come later, from another thread, or too late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

using ::testing::HasSubstr;
using HeartbeatAnswer = Result<wire::HeartbeatReply>;

// A driver that answers acquisitions at once, and keeps heartbeats until it is told to answer.
class HoldingDriver final : public wire::ControlService {
 public:
  ~HoldingDriver() override { answer_all("the end"); }

  void wait_for_held(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= n; });
  }
  void answer_all(const std::string& reason) {
    std::vector<core::Reply<HeartbeatAnswer>> held;
    {
      std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& reply : held) {
      reply(wire::HeartbeatReply{wire::HeartbeatReply::Kind::kDone, reason});
    }
  }

  void join(const wire::JoinRequest&, core::Reply<Result<wire::JoinReply>> reply) override {
    reply(wire::JoinReply{});
  }
  void acquire(const wire::AcquireRequest& request,
               core::Reply<Result<wire::AcquireReply>> reply) override {
    wire::AcquireReply answer;
    answer.lease.partition = request.member;
    reply(std::move(answer));
  }
  void heartbeat(const wire::HeartbeatRequest&, core::Reply<HeartbeatAnswer> reply) override {
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(reply));
    changed_.notify_all();
  }
  void finish(const wire::FinishRequest&, core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void leave(const wire::LeaveRequest&, core::Reply<Status> reply) override { reply(ok_status()); }
  void fetch(const wire::FetchRequest&, core::Reply<Result<wire::RecordChunk>> reply) override {
    reply(wire::RecordChunk{});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<core::Reply<HeartbeatAnswer>> held_;
};

class LaterTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void SetUp() override {
    auto listener = transport_->listen(any_address(GetParam()), &driver_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_control(listener_->address());
  }

  void start_heartbeat(Awaited<HeartbeatAnswer>& answer,
                       core::Duration timeout = std::chrono::seconds(20)) {
    channel_->heartbeat({}, {timeout}, answer.reply());
  }

  HoldingDriver driver_;
  const std::unique_ptr<wire::Transport> transport_ = make_transport(GetParam());
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ControlChannel> channel_;
};

// A driver's listener has one thread.
TEST_P(LaterTest, AnswerComesLaterFromAnotherThreadWhileOtherCallsPass) {
  Awaited<HeartbeatAnswer> held;
  start_heartbeat(held);
  driver_.wait_for_held(1);
  for (int64_t i = 0; i < 100; ++i) {
    const auto acquired = acquire(*channel_, i);
    ASSERT_TRUE(acquired.ok()) << acquired.status();
    EXPECT_EQ(acquired->lease.partition, i);
  }
  EXPECT_FALSE(held.is_there_within(std::chrono::seconds(0)));
  std::thread([&] { driver_.answer_all("later"); }).join();
  const HeartbeatAnswer answer = held.get();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->kind, wire::HeartbeatReply::Kind::kDone);
  EXPECT_EQ(answer->reason, "later");
}

TEST_P(LaterTest, ManyAreHeldAndAllAnswered) {
  std::vector<Awaited<HeartbeatAnswer>> held(200);
  for (auto& answer : held) start_heartbeat(answer);
  driver_.wait_for_held(held.size());
  driver_.answer_all("news");
  for (auto& answer : held) EXPECT_TRUE(answer.get().ok());
}

TEST_P(LaterTest, CallHeldWhileItsListenerGoesIsUnavailableAndItsAnswerDropped) {
  Awaited<HeartbeatAnswer> held;
  start_heartbeat(held);
  driver_.wait_for_held(1);
  const auto begin = std::chrono::steady_clock::now();
  listener_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  const Status status = held.get().status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  driver_.answer_all("too late");
}

TEST_P(LaterTest, AnswerGivenWhileTheListenerGoesArrives) {
  Awaited<HeartbeatAnswer> held;
  start_heartbeat(held);
  driver_.wait_for_held(1);
  std::thread closer([&] { listener_.reset(); });
  driver_.answer_all("goodbye");
  closer.join();
  const HeartbeatAnswer answer = held.get();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->reason, "goodbye");
}

TEST_P(LaterTest, AnswerAfterTheTimeoutIsDropped) {
  Awaited<HeartbeatAnswer> held;
  start_heartbeat(held, std::chrono::milliseconds(50));
  const Status status = held.get().status();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(status.message(), HasSubstr(listener_->address()));
  EXPECT_THAT(status.message(), HasSubstr("did not answer within 0.1 s"));  // 0.05, rounded
  driver_.answer_all("too late");
  EXPECT_TRUE(acquire(*channel_, 1).ok());
}

TEST_P(LaterTest, ChannelThatGoesAnswersItsCalls) {
  std::vector<Awaited<HeartbeatAnswer>> held(5);
  for (auto& answer : held) start_heartbeat(answer);
  driver_.wait_for_held(held.size());
  channel_.reset();
  for (auto& answer : held) {
    ASSERT_TRUE(answer.is_there_within(std::chrono::seconds(0)));
    EXPECT_EQ(answer.get().status(),
              cancelled("the channel to " + listener_->address() + " closed"));
  }
}

// Every call gets one answer, whoever is first: a second one would throw, none would hang.
TEST_P(LaterTest, AnswersTimeoutsAndTheEndOfTheChannelRace) {
  for (int round = 0; round < 20; ++round) {
    std::vector<Awaited<HeartbeatAnswer>> held(8);
    const auto channel = transport_->connect_control(listener_->address());
    std::thread answering([&] {
      for (int i = 0; i < 10; ++i) driver_.answer_all("news");
    });
    for (size_t i = 0; i < held.size(); ++i) {
      channel->heartbeat({}, {std::chrono::microseconds(500 * i)}, held[i].reply());
    }
    channel_ = channel;  // one more reference, gone in the next round
    answering.join();
    driver_.answer_all("news");
    for (auto& answer : held) (void)answer.get();
  }
}

// The data plane's channel can be cut and used again.
class CutTest : public ::testing::TestWithParam<TransportKind> {};

class SilentServer final : public wire::ParameterService {
 public:
  ~SilentServer() override {
    for (auto& reply : held_) reply(not_found("the end"));
  }
  void wait_for_held(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= n; });
  }

  void create(const wire::CreateRequest&, core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void assign(const wire::AssignRequest&, wire::ReceivedPayload,
              core::Reply<Status> reply) override {
    reply(ok_status());
  }
  void exchange(const wire::PushHeader&, wire::ReceivedPayload,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    reply(not_found(""));
  }
  void pull(const wire::PullRequest&, core::Reply<Result<wire::PullReply>> reply) override {
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(reply));
    changed_.notify_all();
  }
  void fence(const wire::FenceRequest&, core::Reply<Result<wire::FenceReply>> reply) override {
    reply(not_found(""));
  }
  void ledger(const wire::LedgerRequest&, core::Reply<Result<wire::LedgerReply>> reply) override {
    reply(not_found(""));
  }
  void ping(uint64_t, core::Reply<Result<wire::PingReply>> reply) override {
    reply(wire::PingReply{});
  }
  void set_gate(const wire::GateRequest&, core::Reply<Status> reply) override {
    reply(ok_status());
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<core::Reply<Result<wire::PullReply>>> held_;
};

TEST_P(CutTest, CallsUnderWayAreCancelledAndLaterOnesAreNot) {
  SilentServer server;
  const auto transport = make_transport(GetParam());
  auto listener = transport->listen(any_address(GetParam()), &server, {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto channel = transport->connect_parameters((*listener)->address());
  std::vector<float> into(10);
  std::vector<Awaited<Result<PulledVersion>>> pulls(3);
  for (auto& answer : pulls) channel->pull({}, into, kSoon, answer.reply());
  server.wait_for_held(pulls.size());
  EXPECT_TRUE(ping(*channel, 1).ok());
  channel->cut();
  for (auto& answer : pulls) {
    EXPECT_EQ(answer.get().status(),
              cancelled("the call to " + channel->address() + " was cut off"));
  }
  EXPECT_TRUE(ping(*channel, 1).ok());
  channel->cut();  // nothing is under way
}

TEST_P(CutTest, CallThatWaitsForAServerIsCancelled) {
  const auto transport = make_transport(GetParam());
  const std::string nobody =
      GetParam() == TransportKind::kGrpcUnix ? any_address(GetParam()) : "127.0.0.1:1";
  const auto channel = transport->connect_parameters(nobody);
  Awaited<Result<wire::PingReply>> pinged;
  channel->ping(1, {core::Duration::max()}, pinged.reply());
  EXPECT_FALSE(pinged.is_there_within(std::chrono::milliseconds(20)));
  channel->cut();
  EXPECT_EQ(pinged.get().status().code(), StatusCode::kCancelled);
}

// What a server is told about its job decides how large messages may be.
class MessageSizeTest : public ::testing::TestWithParam<TransportKind> {
 protected:
  void listen(size_t max_message_bytes) {
    server_.serve_job(1);
    auto listener = transport_->listen(any_address(GetParam()), &server_,
                                       {.max_message_bytes = max_message_bytes});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    channel_ = transport_->connect_parameters(listener_->address());
  }

  server::ParameterServer server_{core::real_world()};
  const std::unique_ptr<wire::Transport> transport_ = make_transport(GetParam());
  std::unique_ptr<wire::Listener> listener_;
  std::shared_ptr<wire::ParameterChannel> channel_;
};

TEST_P(MessageSizeTest, LargerMessagesAreRefusedAndTheSizesTold) {
  listen(10'000);
  ASSERT_TRUE(create(*channel_, adding(1, wire::ShardMap::even(5000, 1, 1))).ok());
  const Status status = assign(*channel_, {1, {0, 1}}, std::vector<float>(5000));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(status.message(), HasSubstr(listener_->address()));
  EXPECT_THAT(status.message(), HasSubstr("10000"));
  EXPECT_TRUE(ping(*channel_, 1).ok());
}

TEST_P(MessageSizeTest, CallsWaitUntilTheSizeIsKnown) {
  listen(wire::ListenOptions::kNotKnownYet);
  Awaited<Result<wire::PingReply>> pinged;
  channel_->ping(5, kSoon, pinged.reply());
  EXPECT_FALSE(pinged.is_there_within(std::chrono::milliseconds(100)));
  const Status serving = listener_->serve(10'000);
  ASSERT_TRUE(serving.ok()) << serving;
  EXPECT_EQ(pinged.get().status().code(), StatusCode::kFailedPrecondition);
}

TEST_P(MessageSizeTest, ListenerThatNeverServedEnds) {
  listen(wire::ListenOptions::kNotKnownYet);
  listener_.reset();
  listen(10'000);
}

std::string case_name(const ::testing::TestParamInfo<TransportKind>& info) {
  return to_string(info.param);
}

#define INSTANTIATE_OVER_TRANSPORTS(Suite)                                                       \
  INSTANTIATE_TEST_SUITE_P(Inproc, Suite, ::testing::Values(TransportKind::kInproc), case_name); \
  INSTANTIATE_TEST_SUITE_P(Grpc, Suite,                                                          \
                           ::testing::Values(TransportKind::kGrpcTcp, TransportKind::kGrpcUnix), \
                           case_name)

INSTANTIATE_OVER_TRANSPORTS(LaterTest);
INSTANTIATE_OVER_TRANSPORTS(CutTest);
INSTANTIATE_OVER_TRANSPORTS(MessageSizeTest);

}  // namespace
}  // namespace sluice::transport
