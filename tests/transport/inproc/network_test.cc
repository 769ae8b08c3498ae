#include "transport/inproc/network.h"

#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "core/real_world.h"
#include "tests/support/await.h"

namespace sluice::transport {
namespace {

using namespace std::chrono_literals;

// Does in the service what the test says, and tells the test how it ended.
class TestCall final : public InprocCall {
 public:
  using Inside = std::function<void(const InprocService&)>;

  TestCall(const std::string& name, core::Duration timeout, Inside inside = {})
      : InprocCall(name, timeout), inside_(std::move(inside)) {}

  void enter(const InprocService& service) override {
    if (inside_) inside_(service);
    entered.reply()(ok_status());
  }
  void fail(Status why) override { failed.reply()(std::move(why)); }

  Awaited<Status> entered;
  Awaited<Status> failed;

 private:
  const Inside inside_;
};

class InprocNetworkTest : public ::testing::Test {
 protected:
  // No call is made, so that any address will do.
  InprocService service() {
    return {.parameters = reinterpret_cast<wire::ParameterService*>(this)};
  }
  void listen(const std::string& name) {
    ASSERT_TRUE(network_->take(name).ok());
    network_->serve(name, service());
  }
  std::shared_ptr<TestCall> start(const std::string& name, core::Duration timeout,
                                  TestCall::Inside inside = {}) {
    auto call = std::make_shared<TestCall>(name, timeout, std::move(inside));
    network_->start(channel_, call);
    return call;
  }
  void answer(InprocCall& call) {
    const auto status = network_->claim(call);
    ASSERT_TRUE(status.has_value());
    network_->ended(call);
  }

  const std::shared_ptr<InprocNetwork> network_ =
      std::make_shared<InprocNetwork>(core::real_world());
  const uint64_t channel_ = network_->add_channel();
};

TEST_F(InprocNetworkTest, CallReachesWhatListens) {
  listen("a");
  wire::ParameterService* reached = nullptr;
  const auto call =
      start("a", 20s, [&](const InprocService& found) { reached = found.parameters; });
  EXPECT_EQ(reached, service().parameters) << "on the caller's thread";
  answer(*call);
}

TEST_F(InprocNetworkTest, TakenNameIsRefusedAndFreeAgainAfterItsRemoval) {
  ASSERT_TRUE(network_->take("a").ok());
  EXPECT_EQ(network_->take("a").status().code(), StatusCode::kUnavailable);
  network_->remove("a");
  EXPECT_EQ(*network_->take("a"), "a");
}

TEST_F(InprocNetworkTest, EmptyNameGetsOneThatNobodyHas) {
  // The name that would be given first.
  const std::string taken = *std::make_shared<InprocNetwork>(core::real_world())->take("");
  ASSERT_TRUE(network_->take(taken).ok());
  const std::string one = *network_->take("");
  const std::string two = *network_->take("");
  EXPECT_EQ((std::set<std::string>{taken, one, two}).size(), 3u);
}

TEST_F(InprocNetworkTest, RemovalWaitsForCallsInsideTheServiceAndLetsNoNewOneIn) {
  listen("a");
  std::promise<void> inside;
  std::promise<void> leave;
  std::shared_ptr<TestCall> call;
  std::thread caller([&] {
    call = start("a", 20s, [&](const InprocService&) {
      inside.set_value();
      leave.get_future().wait();
    });
  });
  inside.get_future().wait();
  auto removed = std::async(std::launch::async, [this] { network_->remove("a"); });
  EXPECT_EQ(removed.wait_for(50ms), std::future_status::timeout);
  EXPECT_EQ(network_->take("a").status().code(), StatusCode::kUnavailable) << "still in a call";
  const auto late = start("a", 10ms);
  EXPECT_EQ(late->failed.get(), unavailable("nobody listens at a: waited 0.0 s"));
  leave.set_value();
  removed.get();
  caller.join();
  answer(*call);
  EXPECT_TRUE(network_->take("a").ok());
}

TEST_F(InprocNetworkTest, CallThatIsNotAnsweredIsCutOffHalfASecondAfterTheRemoval) {
  listen("a");
  const auto call = start("a", 20s);
  const auto begin = std::chrono::steady_clock::now();
  network_->remove("a");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 300ms);
  EXPECT_EQ(call->failed.get().code(), StatusCode::kUnavailable);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 500ms);
  EXPECT_FALSE(network_->claim(*call)) << "a later answer is dropped";
}

TEST_F(InprocNetworkTest, CallDuringARemovalGoesToTheNextService) {
  listen("a");
  network_->remove("a");
  const auto call = start("a", 20s);
  EXPECT_FALSE(call->entered.is_there_within(20ms));
  listen("a");
  EXPECT_TRUE(call->entered.get().ok());
  answer(*call);
}

TEST_F(InprocNetworkTest, LongestTimeoutWaits) {
  const auto call = start("a", core::Duration::max());
  EXPECT_FALSE(call->failed.is_there_within(50ms));
  listen("a");
  EXPECT_TRUE(call->entered.get().ok());
  answer(*call);
}

TEST_F(InprocNetworkTest, FirstClaimCounts) {
  listen("a");
  const auto call = start("a", 20s);
  EXPECT_EQ(network_->claim(*call), ok_status());
  EXPECT_FALSE(network_->claim(*call));
  network_->cut(channel_, cancelled("cut"));
  network_->ended(*call);
  EXPECT_FALSE(call->failed.is_there_within(0s));
}

TEST_F(InprocNetworkTest, WhatTheServiceThrowsIsInternal) {
  listen("a");
  const auto call =
      start("a", 20s, [](const InprocService&) { throw std::runtime_error("a mistake"); });
  EXPECT_EQ(call->failed.get(), internal_error("a mistake"));
}

TEST_F(InprocNetworkTest, ClosingAChannelWaitsForAnAnswerThatIsBeingGiven) {
  listen("a");
  const auto call = start("a", 20s);
  ASSERT_TRUE(network_->claim(*call).has_value());
  auto closed =
      std::async(std::launch::async, [this] { network_->close(channel_, cancelled("closed")); });
  EXPECT_EQ(closed.wait_for(50ms), std::future_status::timeout);
  network_->ended(*call);
  closed.get();
  EXPECT_FALSE(call->failed.is_there_within(0s));
}

// Else a reply that lets go of its channel would wait for itself.
TEST_F(InprocNetworkTest, ClosingAChannelDoesNotWaitForTheThreadThatCloses) {
  listen("a");
  const auto call = start("a", 20s);
  ASSERT_TRUE(network_->claim(*call).has_value());
  network_->close(channel_, cancelled("closed"));
  network_->ended(*call);
}

TEST_F(InprocNetworkTest, ClosingAChannelLeavesOthersAlone) {
  listen("a");
  const uint64_t other = network_->add_channel();
  const auto call = std::make_shared<TestCall>("a", 20s);
  network_->start(other, call);
  network_->close(channel_, cancelled("closed"));
  EXPECT_FALSE(call->failed.is_there_within(0s));
  answer(*call);
}

}  // namespace
}  // namespace sluice::transport
