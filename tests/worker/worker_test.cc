// The worker role against a driver that the test plays, and, mostly, servers that never answer.
#include "worker/worker.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>

#include "core/log.h"
#include "data/describe.h"
#include "server/parameter_server.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "transport/inproc/inproc_transport.h"
#include "wire/training_spec.h"
#include "worker/worker_rule.h"

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using wire::AcquireReply;

constexpr uint64_t kJob = 42;
constexpr size_t kParameters = 6;  // of the model below

Dataset two_records() {
  return Dataset::from_arrays(std::vector<float>{0, 1, 2, 3}, std::vector<int32_t>{0, 1}, {2}, 2);
}

wire::TrainingSpec a_spec() {
  Sequential model;
  model.add(Input({2})).add(Dense({.units = 2, .activation = "softmax"}));
  wire::TrainingSpec spec;
  spec.model = model.to_json();
  spec.records = 2;
  spec.partitions = 1;
  spec.batch_size = 1;
  spec.dataset = *data::describe(*two_records().records());
  spec.heartbeat_interval = 1ms;
  return spec;
}

AcquireReply granted() {
  AcquireReply reply;
  reply.kind = AcquireReply::Kind::kGranted;
  reply.lease = {0, 1, 1, 2};
  reply.shard_map = wire::ShardMap::even(kParameters, 1, 1);
  reply.servers = {"nobody"};
  return reply;
}

AcquireReply of_kind(AcquireReply::Kind kind, std::string reason = "") {
  AcquireReply reply;
  reply.kind = kind;
  reply.reason = std::move(reason);
  reply.retry_after = 1ms;
  return reply;
}

// Keeps calls until it is destroyed, as a server does that has stopped.
class SilentChannel final : public wire::ParameterChannel {
 public:
  ~SilentChannel() override {
    for (const auto& done : waiting_) done(cancelled("the channel closed"));
  }
  void exchange(const wire::PushHeader&, wire::Payload, std::span<float>, const wire::CallOptions&,
                std::function<void(Result<PulledVersion>)> done) override {
    waiting_.push_back(std::move(done));
  }
  void pull(uint64_t, int, std::span<float>, const wire::CallOptions&,
            std::function<void(Result<PulledVersion>)> done) override {
    waiting_.push_back(std::move(done));
  }
  void push(const wire::PushHeader&, wire::Payload, const wire::CallOptions&,
            std::function<void(Result<wire::PushReply>)>) override {}
  Status create(const wire::CreateRequest&, const wire::CallOptions&) override { return {}; }
  Status assign(const wire::AssignRequest&, wire::Payload, const wire::CallOptions&) override {
    return {};
  }
  Result<wire::FenceReply> fence(const wire::FenceRequest&, const wire::CallOptions&) override {
    return wire::FenceReply{};
  }
  Result<wire::LedgerReply> ledger(uint64_t, const wire::CallOptions&) override {
    return wire::LedgerReply{};
  }
  Status shutdown(const std::string&, const wire::CallOptions&) override { return {}; }
  const std::string& address() const override { return address_; }

 private:
  std::vector<std::function<void(Result<PulledVersion>)>> waiting_;
  const std::string address_ = "nobody";
};

// A driver and the network around it.
class FakeDriver final : public wire::Transport, public wire::ControlService {
 public:
  FakeDriver() { listener_ = *inproc.listen("driver", this); }

  Result<std::unique_ptr<wire::Listener>> listen(const std::string&, wire::ParameterService*,
                                                 int) override {
    return internal_error("workers do not listen");
  }
  Result<std::unique_ptr<wire::Listener>> listen(const std::string&,
                                                 wire::ControlService*) override {
    return internal_error("workers do not listen");
  }
  std::shared_ptr<wire::ParameterChannel> connect_parameters(const std::string& address) override {
    if (address == "server") return inproc.connect_parameters(address);
    return std::make_shared<SilentChannel>();
  }
  std::shared_ptr<wire::ControlChannel> connect_control(const std::string& address) override {
    return inproc.connect_control(address);
  }

  Result<wire::JoinReply> join(const wire::JoinRequest&) override {
    if (fails(join_failures)) return unavailable("broken pipe");
    return wire::JoinReply{7, 0, kJob, to_json(spec)};
  }
  Result<AcquireReply> acquire(int64_t) override {
    if (fails(acquire_failures)) return unavailable("broken pipe");
    std::lock_guard lock(mutex_);
    if (answers.empty()) return of_kind(AcquireReply::Kind::kDone);
    AcquireReply next = answers.front();
    answers.pop_front();
    return next;
  }
  Result<wire::HeartbeatReply> heartbeat(const wire::HeartbeatRequest& request) override {
    std::lock_guard lock(mutex_);
    heartbeats_.push_back(request);
    changed_.notify_all();
    return wire::HeartbeatReply{};
  }
  Status finish(const wire::FinishRequest& request) override {
    if (fails(finish_failures)) return unavailable("broken pipe");
    finished.push_back(request);
    return ok_status();
  }
  Status leave(const wire::LeaveRequest& request) override {
    std::lock_guard lock(mutex_);
    left.push_back(request.status);
    return ok_status();
  }
  Status fetch_partition(int64_t, int64_t first,
                         const std::function<bool(const wire::RecordChunk&)>& sink) override {
    const auto records = two_records().records();
    sink({first, 2, records->features(), records->labels()});
    return ok_status();
  }

  bool wait_for_heartbeat(const std::function<bool(const wire::HeartbeatRequest&)>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, 10s, [&] { return std::any_of(heartbeats_.begin(), heartbeats_.end(), wanted); });
  }

  transport::InprocTransport inproc;
  wire::TrainingSpec spec = a_spec();
  std::atomic<int> join_failures = 0, acquire_failures = 0, finish_failures = 0;
  std::deque<AcquireReply> answers;  // of acquire(); then: done
  std::vector<wire::FinishRequest> finished;
  std::vector<Status> left;

 private:
  static bool fails(std::atomic<int>& failures) { return failures > 0 && failures-- > 0; }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<wire::HeartbeatRequest> heartbeats_;
  std::unique_ptr<wire::Listener> listener_;
};

class WorkerTest : public testing::Test {
 protected:
  Status run() { return run_worker(driver_, {"driver"}, stop_); }

  FakeDriver driver_;
  std::atomic<bool> stop_{false};
};

TEST_F(WorkerTest, BrokenConnectionsToTheDriverAreNoEnd) {
  driver_.join_failures = driver_.acquire_failures = driver_.finish_failures = 2;
  server::ParameterServer server;
  const auto listener = *driver_.inproc.listen("server", &server, 1);
  const std::vector<float> parameters(kParameters);
  ASSERT_TRUE(server.create({kJob, granted().shard_map, 0, update_rule_for("adag", {})}).ok());
  ASSERT_TRUE(server.assign({kJob, 0}, {{std::as_bytes(std::span(parameters))}}).ok());
  ASSERT_TRUE(server.fence({kJob, 0, 1}).ok());
  driver_.answers = {granted()};
  driver_.answers[0].servers = {"server"};
  EXPECT_TRUE(run().ok());
  EXPECT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finish_failures, 0);
}

// --- While the model is being compiled ---

FakeDriver* g_driver = nullptr;
bool g_heard = false;

// Takes as long to be built as the driver takes to hear of the worker.
class SlowLayer final : public CustomLayer {
 public:
  std::string class_name() const override { return "SlowLayer"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<SlowLayer>(*this); }
  void forward(const Forward& args) const override {
    std::copy(args.x.begin(), args.x.end(), args.y.begin());
  }
  void backward(const Backward&) const override {}
};

TEST_F(WorkerTest, IsHeardOfWhileItsModelIsBeingCompiled) {
  g_driver = &driver_;
  Sequential model;
  model.add(Input({2})).add(SlowLayer()).add(Dense({.units = 2, .activation = "softmax"}));
  driver_.spec.model = model.to_json();
  static const bool registered = [] {
    register_layer("SlowLayer", [](const Config&) {
      g_heard = g_driver->wait_for_heartbeat([](const auto& r) { return r.member == 7; });
      return std::make_unique<SlowLayer>();
    });
    return true;
  }();
  ASSERT_TRUE(registered);
  g_heard = false;
  EXPECT_TRUE(run().ok());
  EXPECT_TRUE(g_heard);
}

// --- Waits ---

TEST_F(WorkerTest, SaysInItsLogForWhomItWaitsOnce) {
  log::set_role("worker");
  const AcquireReply wait = of_kind(AcquireReply::Kind::kWait, "the last partitions");
  driver_.answers = {wait, wait, of_kind(AcquireReply::Kind::kWait, "something else")};
  driver_.join_failures = 1;
  testing::internal::CaptureStderr();
  const Status status = run();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(log, HasSubstr("joining the driver at driver\n"));
  EXPECT_THAT(log, HasSubstr("waiting for the driver at driver: broken pipe\n"));
  EXPECT_THAT(log, HasSubstr("waiting: something else\n"));
  const size_t first = log.find("waiting: the last partitions\n");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("waiting: the last partitions\n", first + 1), std::string::npos);
}

TEST_F(WorkerTest, StopEndsAWaitForAServerAndTheDriverHearsOfIt) {
  driver_.answers = {granted()};
  auto status = std::async(std::launch::async, [this] { return run(); });
  EXPECT_TRUE(driver_.wait_for_heartbeat([](const auto& r) {
    return r.partition == 0 && r.waiting_for == "server at nobody has not answered yet";
  }));
  stop_ = true;
  ASSERT_EQ(status.wait_for(5s), std::future_status::ready) << "the calls' deadline is 10 s away";
  EXPECT_EQ(status.get(), cancelled("stopped by a signal"));
  EXPECT_THAT(driver_.left, testing::ElementsAre(cancelled("stopped by a signal")));
}

// --- What the driver sends is looked at ---

TEST_F(WorkerTest, AShardMapOfOtherServersOrParametersIsRefused) {
  AcquireReply gap = granted(), servers = granted(), parameters = granted();
  gap.shard_map = wire::ShardMap({{0, 16, kParameters, 0}});
  servers.servers.clear();
  parameters.shard_map = wire::ShardMap::even(kParameters + 1, 1, 1);
  const std::pair<AcquireReply, const char*> cases[] = {
      {gap, "shard map: entry 0 starts at 16"},
      {servers, "puts shards on 1 servers, and names 0"},
      {parameters, "has shards of 7 parameters, the model has 6"}};
  for (const auto& [reply, message] : cases) {
    driver_.answers = {reply};
    const Status status = run();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
}

}  // namespace
}  // namespace sluice::worker
