#include "wire/heartbeat.h"

#include <gmock/gmock.h>

#include <future>

namespace sluice::wire {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A driver that answers every heartbeat as the test says.
class FakeDriver final : public ControlChannel {
 public:
  Result<JoinReply> join(const JoinRequest&, const CallOptions&) override { return JoinReply{}; }
  Result<AcquireReply> acquire(int64_t, const CallOptions&) override { return AcquireReply{}; }
  Result<HeartbeatReply> heartbeat(const HeartbeatRequest& request,
                                   const CallOptions& options) override {
    std::lock_guard lock(mutex);
    timeout = options.timeout;
    requests.push_back(request);
    changed.notify_all();
    return reply;
  }
  Status finish(const FinishRequest&, const CallOptions&) override { return ok_status(); }
  Status leave(const LeaveRequest&, const CallOptions&) override { return ok_status(); }
  Status fetch_partition(int64_t, int64_t, const std::function<bool(const RecordChunk&)>&,
                         const CallOptions&) override {
    return ok_status();
  }
  const std::string& address() const override { return address_; }

  // Waits for a heartbeat for which `wanted` holds.
  bool wait_for(const std::function<bool(const HeartbeatRequest&)>& wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 10s,
                            [&] { return std::any_of(requests.begin(), requests.end(), wanted); });
  }
  void set_reply(Result<HeartbeatReply> next) {
    std::lock_guard lock(mutex);
    reply = std::move(next);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<HeartbeatRequest> requests;
  Result<HeartbeatReply> reply = HeartbeatReply{};
  core::Duration timeout{};

 private:
  std::string address_ = "fake:1";
};

class HeartbeatTest : public testing::Test {
 protected:
  std::shared_ptr<FakeDriver> driver_ = std::make_shared<FakeDriver>();
  std::promise<Status> ended_;
  std::future<Status> end_ = ended_.get_future();
  Heartbeat heartbeat_{driver_, 5, {1ms, 50ms}, [this](Status s) { ended_.set_value(s); }};
};

TEST_F(HeartbeatTest, CarriesTheLeaseAndTheStepAndTheWait) {
  heartbeat_.hold({2, 3, 1, 100});
  heartbeat_.set_step(17);
  heartbeat_.set_waiting_for("server 0");
  EXPECT_TRUE(driver_->wait_for([](const HeartbeatRequest& r) {
    return r.member == 5 && r.partition == 2 && r.incarnation == 3 && r.step == 17 &&
           r.waiting_for == "server 0" && r.peak_memory_bytes > 0;
  }));
  heartbeat_.release();
  EXPECT_TRUE(driver_->wait_for([](const HeartbeatRequest& r) { return r.partition == -1; }));
}

// A lease may be as short as five intervals.
TEST_F(HeartbeatTest, ACallThatHangsLeavesTimeForAnotherWithinTheLease) {
  ASSERT_TRUE(driver_->wait_for([](const HeartbeatRequest&) { return true; }));
  std::lock_guard lock(driver_->mutex);
  EXPECT_GT(driver_->timeout, 0ms);
  EXPECT_LE(2 * driver_->timeout, 5 * 1ms);
}

TEST_F(HeartbeatTest, LostLeaseIsRememberedUntilTheNextOne) {
  heartbeat_.hold({2, 3, 1, 100});
  driver_->set_reply(HeartbeatReply{HeartbeatReply::Kind::kLeaseLost, "given away"});
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (!heartbeat_.lease_lost() && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(heartbeat_.lease_lost());
  driver_->set_reply(HeartbeatReply{});
  heartbeat_.hold({4, 1, 1, 100});
  EXPECT_FALSE(heartbeat_.lease_lost());
}

TEST_F(HeartbeatTest, AbortEndsWithTheDriversReason) {
  driver_->set_reply(HeartbeatReply{HeartbeatReply::Kind::kAbort, "server 0 died"});
  ASSERT_EQ(end_.wait_for(10s), std::future_status::ready);
  const Status status = end_.get();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(status.message(), "server 0 died");
}

TEST_F(HeartbeatTest, SilentDriverIsGivenUpByName) {
  driver_->set_reply(unavailable("connection refused"));
  ASSERT_EQ(end_.wait_for(10s), std::future_status::ready);
  const Status status = end_.get();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the driver at fake:1 has not answered"));
}

TEST_F(HeartbeatTest, UnknownMemberEndsAtOnce) {
  driver_->set_reply(not_found("member 5"));
  ASSERT_EQ(end_.wait_for(10s), std::future_status::ready);
  EXPECT_EQ(end_.get().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace sluice::wire
