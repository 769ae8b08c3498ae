// The server role from join to leave, against a driver that the test plays.
#include "server/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <future>
#include <mutex>

#include "core/process_info.h"
#include "core/version.h"
#include "server/update_rule.h"
#include "wire/training_spec.h"

namespace sluice::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string spec_with(core::Duration heartbeat_interval) {
  wire::TrainingSpec spec;
  spec.heartbeat_interval = heartbeat_interval;
  return to_json(spec);
}

// A driver and the network around it: keeps the service that listens, and answers what it is told.
class FakeDriver final : public wire::Transport, public wire::ControlChannel {
 public:
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ParameterService* service,
                                                 int threads) override {
    if (!listen_result.ok()) return listen_result;
    std::lock_guard lock(mutex_);
    service_ = service;
    server_threads = threads;
    return std::unique_ptr<wire::Listener>(std::make_unique<FakeListener>(*this, address));
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&,
                                                 wire::ControlService*) override {
    return internal_error("a server is no driver");
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string&) override {
    return nullptr;
  }
  // Lent: the test outlives what it plays for.
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override {
    address_ = address;
    return {std::shared_ptr<void>(), this};
  }

  Result<wire::JoinReply> join(const wire::JoinRequest& request,
                               const wire::CallOptions&) override {
    std::lock_guard lock(mutex_);
    joined = request;
    listening_at_join = service_ != nullptr;
    if (++joins <= join_failures) return unavailable("broken pipe");
    return join_reply;
  }
  Result<wire::AcquireReply> acquire(int64_t, const wire::CallOptions&) override {
    return internal_error("servers hold no leases");
  }
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request,
                                         const wire::CallOptions&) override {
    std::lock_guard lock(mutex_);
    heartbeat_from = request.member;
    changed_.notify_all();
    return heartbeat_reply;
  }
  Status finish(const wire::FinishRequest&, const wire::CallOptions&) override {
    return internal_error("servers hold no leases");
  }
  Status leave(const wire::LeaveRequest& request, const wire::CallOptions&) override {
    std::lock_guard lock(mutex_);
    leaves.push_back(request);
    return leave_result;
  }
  Status fetch_partition(int64_t, int64_t, const std::function<bool(const wire::RecordChunk&)>&,
                         const wire::CallOptions&) override {
    return internal_error("servers read no records");
  }
  const std::string& address() const override { return address_; }

  // Returns the service when its process has told that it lives.
  wire::ParameterService* wait_for_heartbeat() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return heartbeat_from == 7; });
    return service_;
  }
  void set_heartbeat_reply(wire::HeartbeatReply reply) {
    std::lock_guard lock(mutex_);
    heartbeat_reply = std::move(reply);
  }
  bool listening() {
    std::lock_guard lock(mutex_);
    return service_ != nullptr;
  }

  Status listen_result;
  Result<wire::JoinReply> join_reply = wire::JoinReply{7, 2, 42, spec_with(1ms)};
  Result<wire::HeartbeatReply> heartbeat_reply = wire::HeartbeatReply{};
  Status leave_result;

  wire::JoinRequest joined;
  int joins = 0;
  int join_failures = 0;  // of the first calls
  bool listening_at_join = false;
  int64_t heartbeat_from = 0;
  std::vector<wire::LeaveRequest> leaves;
  int server_threads = 0;

 private:
  class FakeListener final : public wire::Listener {
   public:
    FakeListener(FakeDriver& driver, std::string address)
        : driver_(driver), address_(std::move(address)) {}
    ~FakeListener() override {
      std::lock_guard lock(driver_.mutex_);
      driver_.service_ = nullptr;
    }
    const std::string& address() const override { return address_; }

   private:
    FakeDriver& driver_;
    const std::string address_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  wire::ParameterService* service_ = nullptr;
  std::string address_;
};

class ServeTest : public testing::Test {
 protected:
  void start() {
    status_ = std::async(std::launch::async, [this] { return serve(driver_, options_, stop_); });
  }
  // Starts it, ends it as a driver does, and returns how it ended.
  Status serve_once() {
    start();
    (void)driver_.wait_for_heartbeat()->shutdown("over");
    return status_.get();
  }

  FakeDriver driver_;
  ServeOptions options_ = [] {
    ServeOptions options;
    options.driver = "driver:1";
    options.listen = "10.0.0.7:7001";
    return options;
  }();
  std::atomic<bool> stop_ = false;
  std::future<Status> status_;
};

TEST_F(ServeTest, JoinsAsAServerThatListensAlready) {
  options_.preferred_index = 3;
  options_.threads = 5;
  EXPECT_TRUE(serve_once().ok());
  EXPECT_EQ(driver_.joined.role, wire::Role::kServer);
  EXPECT_EQ(driver_.joined.version, core::version());
  EXPECT_EQ(driver_.joined.host, core::host_name());
  EXPECT_EQ(driver_.joined.pid, getpid());
  EXPECT_EQ(driver_.joined.address, "10.0.0.7:7001");
  EXPECT_EQ(driver_.joined.preferred_index, 3);
  EXPECT_EQ(driver_.address(), "driver:1");
  EXPECT_EQ(driver_.server_threads, 5);
  EXPECT_TRUE(driver_.listening_at_join) << "workers may come before join() has returned";
}

TEST_F(ServeTest, AnyInterfaceIsAdvertisedByTheHostsName) {
  for (const char* any : {"0.0.0.0:7001", "[::]:7001"}) {
    options_.listen = any;
    driver_.heartbeat_from = 0;
    EXPECT_TRUE(serve_once().ok());
    EXPECT_EQ(driver_.joined.address, core::host_name() + ":7001");
  }
}

TEST_F(ServeTest, AdvertisesWhatItIsTold) {
  options_.listen = "0.0.0.0:7001";
  options_.advertise = "node-7.cluster:9000";
  EXPECT_TRUE(serve_once().ok());
  EXPECT_EQ(driver_.joined.address, "node-7.cluster:9000");
}

TEST_F(ServeTest, ServesUntilTheDriverEndsIt) {
  start();
  wire::ParameterService* service = driver_.wait_for_heartbeat();
  ASSERT_NE(service, nullptr);
  const std::vector<float> values = {1, 2, 3, 4};
  EXPECT_TRUE(service->create({42, wire::ShardMap::even(4, 1, 1), 0, add_rule_json()}).ok());
  EXPECT_TRUE(service->assign({42, 0}, {{std::as_bytes(std::span(values))}}).ok());
  EXPECT_EQ(service->pull(42, 0)->values.values[3], 4.0f);
  EXPECT_EQ(status_.wait_for(0s), std::future_status::timeout);
  EXPECT_TRUE(service->shutdown("the job is done").ok());
  EXPECT_TRUE(status_.get().ok());
  ASSERT_EQ(driver_.leaves.size(), 1u);
  EXPECT_EQ(driver_.leaves[0].member, 7);
  EXPECT_TRUE(driver_.leaves[0].status.ok());
  EXPECT_FALSE(driver_.listening());
}

TEST_F(ServeTest, StopLeavesAsCancelled) {
  start();
  driver_.wait_for_heartbeat();
  stop_ = true;
  const Status status = status_.get();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  ASSERT_EQ(driver_.leaves.size(), 1u);
  EXPECT_EQ(driver_.leaves[0].status, status);
}

TEST_F(ServeTest, AbortedJobEndsWithItsReason) {
  start();
  driver_.wait_for_heartbeat();
  driver_.set_heartbeat_reply(
      {wire::HeartbeatReply::Kind::kAbort, "worker 1 found a damaged file"});
  const Status status = status_.get();
  EXPECT_EQ(status, cancelled("worker 1 found a damaged file"));
  ASSERT_EQ(driver_.leaves.size(), 1u);
  EXPECT_EQ(driver_.leaves[0].status, status);
}

// The driver's two ways to tell must not race for the exit status.
TEST_F(ServeTest, AbortedJobEndsWithItsReasonAlsoByTheDriversCall) {
  driver_.join_reply = wire::JoinReply{7, 2, 42, spec_with(1h)};  // one heartbeat, at the start
  start();
  wire::ParameterService* service = driver_.wait_for_heartbeat();
  driver_.set_heartbeat_reply({wire::HeartbeatReply::Kind::kAbort, "worker 1 died"});
  (void)service->shutdown("the job was aborted: worker 1 died");
  EXPECT_EQ(status_.get(), cancelled("worker 1 died"));
}

TEST_F(ServeTest, BrokenConnectionDoesNotEndTheJoin) {
  driver_.join_failures = 2;
  EXPECT_TRUE(serve_once().ok());
  EXPECT_EQ(driver_.joins, 3);
}

TEST_F(ServeTest, DriverGoneAtTheEndDoesNotSpoilIt) {
  driver_.leave_result = unavailable("connection refused");
  EXPECT_TRUE(serve_once().ok());
}

TEST_F(ServeTest, NoDriverIsAnErrorAndNothingIsLeft) {
  driver_.join_reply = unavailable("connection refused");
  options_.join_timeout = 60ms;
  const Status status = serve(driver_, options_, stop_);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the driver at driver:1 has not answered"));
  EXPECT_FALSE(driver_.listening());
  EXPECT_TRUE(driver_.leaves.empty()) << "it has never been a member";
}

TEST_F(ServeTest, AddressInUseIsAnErrorBeforeJoining) {
  driver_.listen_result = unavailable("cannot listen on 10.0.0.7:7001: the port is in use");
  EXPECT_EQ(serve(driver_, options_, stop_), driver_.listen_result);
  EXPECT_EQ(driver_.joined.address, "");
}

TEST_F(ServeTest, SpecThatCannotBeReadIsAnErrorThatTheDriverHears) {
  driver_.join_reply = wire::JoinReply{7, 2, 42, "{}"};
  const Status status = serve(driver_, options_, stop_);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("training spec"));
  ASSERT_EQ(driver_.leaves.size(), 1u);
  EXPECT_EQ(driver_.leaves[0].status, status);
}

}  // namespace
}  // namespace sluice::server
