// The server role from join to leave, against a driver that the test plays.
#include "server/serve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "core/real_world.h"
#include "core/version.h"
#include "tests/support/await.h"
#include "tests/support/manual_world.h"
#include "tests/support/scripted_driver.h"
#include "tests/support/update_rules.h"
#include "wire/training_spec.h"

namespace sluice::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Kind = wire::HeartbeatReply::Kind;

std::string spec_with(int64_t largest_message, int64_t counters = 0) {
  wire::TrainingSpec spec;
  spec.model = "{}";
  spec.heartbeat_interval = 1s;
  spec.driver_timeout = 30s;
  spec.largest_message = largest_message;
  spec.counters = counters;
  spec.epochs = 1;
  return to_json(spec);
}

// The network of one server: keeps the service that listens, and leads to the test's driver.
class FakeNetwork final : public wire::Transport {
 public:
  Result<std::unique_ptr<wire::Listener>> listen(const std::string& address,
                                                 wire::ParameterService* service,
                                                 const wire::ListenOptions& options) override {
    if (!listen_result.ok()) return listen_result;
    listening = service;
    listened.push_back(options);
    served.reset();
    return std::unique_ptr<wire::Listener>(std::make_unique<FakeListener>(*this, address));
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&,
                                                 wire::ControlService*) override {
    return internal_error("a server is no driver");
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string&) override {
    return nullptr;
  }
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override {
    EXPECT_EQ(address, driver->address());
    return driver;
  }

  const std::shared_ptr<ScriptedDriver> driver = std::make_shared<ScriptedDriver>("driver:1");
  Status listen_result;
  Status serve_result;
  wire::ParameterService* listening = nullptr;  // null: nobody listens
  std::vector<wire::ListenOptions> listened;    // with what, each time
  std::optional<size_t> served;                 // the largest message, once calls are taken

 private:
  class FakeListener final : public wire::Listener {
   public:
    FakeListener(FakeNetwork& network, std::string address)
        : network_(network), address_(std::move(address)) {}
    ~FakeListener() override { network_.listening = nullptr; }
    const std::string& address() const override { return address_; }
    Status serve(size_t max_message_bytes) override {
      if (network_.serve_result.ok()) network_.served = max_message_bytes;
      return network_.serve_result;
    }

   private:
    FakeNetwork& network_;
    const std::string address_;
  };
};

class ServeTest : public testing::Test {
 protected:
  ServeTest() {
    options_.driver = "driver:1";
    options_.listen = "10.0.0.7:7001";
    driver_.joins.answer = [this](const wire::JoinRequest&) {
      listening_at_join_ = network_.listening != nullptr;
      return join_reply_;
    };
    driver_.leaves.answer = [](const wire::LeaveRequest&) { return ok_status(); };
  }

  void start() {
    server_.emplace(world_, network_, options_, [this](Status why) { ended_ = std::move(why); });
    server_->start();
    world_.run();
  }
  // Answers the heartbeat that is held.
  void tell(Result<wire::HeartbeatReply> news) {
    ASSERT_FALSE(driver_.heartbeats.held.empty());
    driver_.heartbeats.answer_held(std::move(news));
    world_.run();
  }
  // Starts it, ends it as a driver does, and returns how it ended.
  Status serve_once() {
    start();
    tell(wire::HeartbeatReply{Kind::kDone, ""});
    return ended_.value_or(internal_error("it goes on"));
  }
  const wire::JoinRequest& joined() { return driver_.joins.requests.back(); }
  wire::LeaveRequest only_leave() {
    EXPECT_EQ(driver_.leaves.requests.size(), 1u);
    return driver_.leaves.requests.empty() ? wire::LeaveRequest{} : driver_.leaves.requests[0];
  }
  // Gives the job its four parameters.
  Status create(uint64_t job) {
    const wire::CreateRequest request{job, wire::ShardMap::even(4, 1, 1), 0, add_rule_json(), {1}};
    SLUICE_RETURN_IF_ERROR(
        await_status([&](auto reply) { network_.listening->create(request, std::move(reply)); }));
    static const std::vector<float> values = {1, 2, 3, 4};
    return await_status([&](auto reply) {
      network_.listening->assign({job, 0}, {{std::as_bytes(std::span(values))}, nullptr},
                                 std::move(reply));
    });
  }
  Result<wire::PullReply> pull(uint64_t job) {
    return await_result<wire::PullReply>([&](auto reply) {
      network_.listening->pull({job, 0}, std::move(reply));
    });
  }

  ManualWorld world_;
  FakeNetwork network_;
  ScriptedDriver& driver_ = *network_.driver;
  ServeOptions options_;
  std::optional<Result<wire::JoinReply>> join_reply_ = wire::JoinReply{42, 7, 2, spec_with(4), 0};
  bool listening_at_join_ = false;
  std::optional<Status> ended_;
  std::optional<Server> server_;
};

TEST_F(ServeTest, JoinsAsAServerThatListensAlready) {
  options_.preferred_index = 3;
  options_.threads = 5;
  EXPECT_TRUE(serve_once().ok());
  EXPECT_EQ(joined().role, wire::Role::kServer);
  EXPECT_EQ(joined().version, core::version());
  EXPECT_EQ(joined().process, world_.process());
  EXPECT_EQ(joined().address, "10.0.0.7:7001");
  EXPECT_EQ(joined().preferred_index, 3);
  EXPECT_EQ(network_.listened.back().threads, 5);
  EXPECT_TRUE(listening_at_join_) << "workers may come before join() has returned";
}

TEST_F(ServeTest, TakesNoCallBeforeItKnowsHowLargeTheJobsAre) {
  join_reply_.reset();  // no answer yet
  start();
  EXPECT_EQ(network_.listened.back().max_message_bytes, wire::ListenOptions::kNotKnownYet);
  EXPECT_EQ(network_.served, std::nullopt);
  driver_.joins.answer_held(wire::JoinReply{42, 7, 2, spec_with(1'000'000, 500), 0});
  world_.run();
  const std::string spec = spec_with(1'000'000, 500);
  EXPECT_EQ(network_.served, size_t{4'000'000} + 500 * sizeof(double) + 64 + (1 << 20) +
                                 wire::move_bytes(*wire::parse_training_spec(spec)));
}

TEST_F(ServeTest, AListenerThatCannotTakeCallsIsAnErrorThatTheDriverHears) {
  network_.serve_result = internal_error("too late");
  start();
  EXPECT_EQ(ended_, internal_error("too late"));
  EXPECT_EQ(only_leave().status, internal_error("too late"));
}

TEST_F(ServeTest, AnyInterfaceIsAdvertisedByTheHostsName) {
  for (const char* any : {"0.0.0.0:7001", "[::]:7001"}) {
    options_.listen = any;
    EXPECT_TRUE(serve_once().ok());
    EXPECT_EQ(joined().address, "manual-host:7001");
  }
}

TEST_F(ServeTest, AdvertisesWhatItIsTold) {
  options_.listen = "0.0.0.0:7001";
  options_.advertise = "node-7.cluster:9000";
  EXPECT_TRUE(serve_once().ok());
  EXPECT_EQ(joined().address, "node-7.cluster:9000");
}

TEST_F(ServeTest, ServesUntilTheDriverEndsIt) {
  start();
  ASSERT_NE(network_.listening, nullptr);
  EXPECT_TRUE(create(42).ok());
  EXPECT_EQ(pull(42)->values[0].values[3], 4.0f);
  world_.advance(5s);
  EXPECT_EQ(ended_, std::nullopt);
  tell(wire::HeartbeatReply{Kind::kDone, ""});
  EXPECT_EQ(ended_, ok_status());
  EXPECT_EQ(only_leave().job, 42u);
  EXPECT_EQ(only_leave().member, 7);
  EXPECT_TRUE(only_leave().status.ok());
  server_.reset();
  EXPECT_EQ(network_.listening, nullptr);
}

TEST_F(ServeTest, StopLeavesAsCancelled) {
  start();
  server_->stop("stopped by SIGTERM");
  world_.run();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->code(), StatusCode::kCancelled);
  EXPECT_EQ(only_leave().status, *ended_);
}

TEST_F(ServeTest, StopBeforeAnythingElseLeavesNothingBehind) {
  server_.emplace(world_, network_, options_, [this](Status why) { ended_ = std::move(why); });
  server_->stop("stopped by SIGTERM");
  server_->start();
  world_.run();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->code(), StatusCode::kCancelled);
  EXPECT_TRUE(network_.listened.empty());
}

TEST_F(ServeTest, AbortedJobEndsWithItsReason) {
  start();
  tell(wire::HeartbeatReply{Kind::kAbort, "worker 1 found a damaged file"});
  EXPECT_EQ(ended_, cancelled("worker 1 found a damaged file"));
  EXPECT_EQ(only_leave().status, *ended_);
}

TEST_F(ServeTest, BrokenConnectionDoesNotEndTheJoin) {
  int left = 2;
  driver_.joins.answer = [&](const wire::JoinRequest&) -> Result<wire::JoinReply> {
    if (left-- > 0) return unavailable("broken pipe");
    return *join_reply_;
  };
  start();
  world_.advance(5s);
  tell(wire::HeartbeatReply{Kind::kDone, ""});
  EXPECT_EQ(ended_, ok_status());
  EXPECT_EQ(driver_.joins.requests.size(), 3u);
  EXPECT_EQ(driver_.joins.requests[0].attempt, driver_.joins.requests[2].attempt)
      << "the driver may have taken the first";
}

TEST_F(ServeTest, DriverGoneAtTheEndDoesNotSpoilIt) {
  driver_.leaves.answer = [](const wire::LeaveRequest&) {
    return unavailable("connection refused");
  };
  EXPECT_TRUE(serve_once().ok());
}

// As a driver that was started again at its address: what was kept is of no use to its job.
TEST_F(ServeTest, JoinsTheNextJobOfADriverThatDoesNotKnowItAnyMore) {
  start();
  EXPECT_TRUE(create(42).ok());
  const uint64_t attempt = joined().attempt;
  join_reply_ = wire::JoinReply{43, 9, 0, spec_with(1'000'000), 0};
  tell(not_found("the driver does not know member 7 (any more)"));
  EXPECT_EQ(driver_.joins.requests.size(), 2u);
  EXPECT_NE(joined().attempt, attempt);
  EXPECT_EQ(joined().address, "10.0.0.7:7001");
  EXPECT_EQ(network_.served, size_t{4'000'000} + 64 + (1 << 20) +
                                 wire::move_bytes(*wire::parse_training_spec(spec_with(1'000'000))))
      << "the next job's messages";
  EXPECT_EQ(pull(42).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(create(43).ok());
  EXPECT_EQ(pull(43)->values[0].values[0], 1.0f);
  EXPECT_EQ(ended_, std::nullopt);
  tell(wire::HeartbeatReply{Kind::kDone, ""});
  EXPECT_EQ(ended_, ok_status());
  EXPECT_EQ(only_leave().job, 43u);
}

TEST_F(ServeTest, TheDriverIsToldWhyNobodyCanConnect) {
  start();
  const auto& on_full = network_.listened.back().on_full;
  ASSERT_TRUE(on_full);
  on_full("Too many open files");
  tell(wire::HeartbeatReply{});
  world_.advance(1s);
  EXPECT_EQ(driver_.heartbeats.requests.back().waiting_for,
            "open files for more connections (Too many open files): raise its limit (ulimit -n)");
  on_full("");
  tell(wire::HeartbeatReply{});
  world_.advance(1s);
  EXPECT_EQ(driver_.heartbeats.requests.back().waiting_for, "");
}

TEST_F(ServeTest, AnAddressThatIsTakenMeanwhileEndsIt) {
  start();
  network_.listen_result = unavailable("cannot listen on 10.0.0.7:7001: the port is in use");
  join_reply_.reset();
  tell(not_found("the driver does not know member 7 (any more)"));
  EXPECT_EQ(ended_, network_.listen_result);
  server_.reset();
}

TEST_F(ServeTest, ADriverThatIsSilentForTooLongEndsIt) {
  start();
  driver_.heartbeats.answer = [](const wire::HeartbeatRequest&) {
    return unavailable("connection refused");
  };
  tell(unavailable("connection reset"));
  world_.advance(29s);
  EXPECT_EQ(ended_, std::nullopt);
  world_.advance(2s);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->code(), StatusCode::kUnavailable);
  EXPECT_THAT(ended_->message(), HasSubstr("the driver at driver:1 has not answered"));
}

TEST_F(ServeTest, NoDriverIsAnErrorAndNothingIsLeft) {
  join_reply_ = unavailable("connection refused");
  options_.join_timeout = 60ms;
  start();
  world_.advance(1s);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->code(), StatusCode::kUnavailable);
  EXPECT_THAT(ended_->message(), HasSubstr("the driver at driver:1 has not answered"));
  EXPECT_EQ(server_->ending(), client::Ending::kNoDriver);
  EXPECT_TRUE(driver_.leaves.requests.empty()) << "it has never been a member";
  server_.reset();
  EXPECT_EQ(network_.listening, nullptr);
}

TEST_F(ServeTest, AddressInUseIsAnErrorBeforeJoining) {
  network_.listen_result = unavailable("cannot listen on 10.0.0.7:7001: the port is in use");
  start();
  EXPECT_EQ(ended_, network_.listen_result);
  EXPECT_EQ(server_->ending(), client::Ending::kFailed) << "there may well be a driver";
  EXPECT_TRUE(driver_.joins.requests.empty());
}

TEST_F(ServeTest, SpecThatCannotBeReadIsAnErrorThatTheDriverHears) {
  join_reply_ = wire::JoinReply{42, 7, 2, "{}", 0};
  start();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(ended_->message(), HasSubstr("training spec"));
  EXPECT_EQ(only_leave().status, *ended_);
}

// The blocking form, in the world that ships.
TEST(BlockingServeTest, ReturnsWhenAStopIsRequested) {
  FakeNetwork network;
  network.driver->joins.answer = [](const wire::JoinRequest&) {
    return wire::JoinReply{42, 7, 2, spec_with(4), 0};
  };
  network.driver->leaves.answer = [](const wire::LeaveRequest&) { return ok_status(); };
  std::promise<void> serving;
  network.driver->heartbeats.answer =
      [&](const wire::HeartbeatRequest&) -> std::optional<Result<wire::HeartbeatReply>> {
    serving.set_value();
    return std::nullopt;  // held
  };
  ServeOptions options;
  options.driver = "driver:1";
  std::stop_source stop;
  auto ended = std::async(std::launch::async, [&] {
    return serve(core::real_world(), network, options,
                 {stop.get_token(), [] { return "stopped by a test"; }});
  });
  serving.get_future().get();
  stop.request_stop();
  const client::MemberEnd end = ended.get();
  EXPECT_EQ(end.how, client::Ending::kAborted);
  EXPECT_EQ(end.why.code(), StatusCode::kCancelled);
}

}  // namespace
}  // namespace sluice::server
