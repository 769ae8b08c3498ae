// Which of a process' connections are answered on the same thread.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/transport/grpc/raw_server.h"
#include "tests/transport/transport_fixture.h"

namespace sluice::transport {
namespace {

// Remembers the thread on which it was asked.
class NotesThread final : public wire::ParameterService {
 public:
  void create(const wire::CreateRequest&, core::Reply<Status> reply) override { note(reply); }
  void assign(const wire::AssignRequest&, wire::ReceivedPayload,
              core::Reply<Status> reply) override {
    note(reply);
  }
  void exchange(const wire::PushHeader&, wire::ReceivedPayload,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    note(reply);
  }
  void pull(const wire::PullRequest&, core::Reply<Result<wire::PullReply>> reply) override {
    note(reply);
  }
  void fence(const wire::FenceRequest&, core::Reply<Result<wire::FenceReply>> reply) override {
    note(reply);
  }
  void ledger(const wire::LedgerRequest&, core::Reply<Result<wire::LedgerReply>> reply) override {
    note(reply);
  }
  void ping(uint64_t, core::Reply<Result<wire::PingReply>> reply) override { note(reply); }
  void set_gate(const wire::GateRequest&, core::Reply<Status> reply) override { note(reply); }

  std::thread::id thread() const { return thread_; }

 private:
  void note(auto& reply) {
    thread_ = std::this_thread::get_id();
    reply(cancelled("noted"));
  }
  std::atomic<std::thread::id> thread_;
};

class GrpcSharingTest : public ::testing::Test {
 protected:
  // On which a call on the channel is answered.
  static std::thread::id thread_of(wire::ControlChannel& channel) {
    return await<std::thread::id>([&](auto reply) {
      channel.leave({}, kSoon, [reply = std::move(reply)](const Result<wire::PingReply>&) mutable {
        reply(std::this_thread::get_id());
      });
    });
  }
  static std::thread::id thread_of(wire::ParameterChannel& channel) {
    return await<std::thread::id>([&](auto reply) {
      channel.ping(1, kSoon, [reply = std::move(reply)](const Result<wire::PingReply>&) mutable {
        reply(std::this_thread::get_id());
      });
    });
  }

  RawServer peer_{[](RawServer::Call& call) { call.answer(""); }};
  GrpcTransport transport_;
};

TEST_F(GrpcSharingTest, AWorkersControlChannelAndOneParameterChannel) {
  const auto control = transport_.connect_control(peer_.address());
  auto first = transport_.connect_parameters(peer_.address());
  const auto second = transport_.connect_parameters(peer_.address());
  const std::thread::id thread = thread_of(*control);
  EXPECT_EQ(thread_of(*first), thread);
  EXPECT_NE(thread_of(*second), thread);
  first = nullptr;  // as when the next job begins
  EXPECT_EQ(thread_of(*transport_.connect_parameters(peer_.address())), thread);
}

TEST_F(GrpcSharingTest, AServersControlChannelAndItsListenerWhichMayGoFirst) {
  NotesThread service;
  auto listener = transport_.listen("127.0.0.1:0", &service, {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto control = transport_.connect_control(peer_.address());
  GrpcTransport worker;
  thread_of(*worker.connect_parameters((*listener)->address()));
  EXPECT_EQ(thread_of(*control), service.thread());
  listener->reset();
  EXPECT_EQ(thread_of(*control), service.thread());
  NotesThread next;
  listener = transport_.listen("127.0.0.1:0", &next, {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(thread_of(*control), service.thread());
}

}  // namespace
}  // namespace sluice::transport
