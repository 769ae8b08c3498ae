// The worker role against a driver that the test plays, and, mostly, servers that never answer.
#include "worker/worker.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>

#include "core/log.h"
#include "core/real_world.h"
#include "data/describe.h"
#include "server/parameter_server.h"
#include "sluice/dataset.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/support/await.h"
#include "tests/support/stored.h"
#include "tests/support/unused_channel.h"
#include "transport/inproc/inproc_transport.h"
#include "wire/training_spec.h"
#include "worker/pushes.h"

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
  reply.lease = {0, 1, 1, 2, 10};
  reply.parameters.shard_map = wire::ShardMap::even(kParameters, 1, 1);
  reply.parameters.servers = {"nobody"};
  return reply;
}

AcquireReply of_kind(AcquireReply::Kind kind, std::string reason = "") {
  AcquireReply reply;
  reply.kind = kind;
  reply.reason = std::move(reason);
  reply.retry_after = 1ms;
  return reply;
}

// Keeps calls until it is cut, as a server does that has stopped.
class SilentChannel final : public UnusedChannel {
 public:
  ~SilentChannel() override { cut(); }
  void exchange(const wire::PushHeader&, wire::Bytes, std::span<float>, const wire::CallOptions&,
                core::Reply<Result<PulledVersion>> reply) override {
    keep([reply = std::move(reply)]() mutable { reply(cancelled("cut")); });
  }
  void pull(const wire::PullRequest&, std::span<float>, const wire::CallOptions&,
            core::Reply<Result<PulledVersion>> reply) override {
    keep([reply = std::move(reply)]() mutable { reply(cancelled("cut")); });
  }
  void set_gate(const wire::GateRequest&, const wire::CallOptions&,
                core::Reply<Status> reply) override {
    keep([reply = std::move(reply)]() mutable { reply(cancelled("cut")); });
  }
  void ping(uint64_t, const wire::CallOptions&,
            core::Reply<Result<wire::PingReply>> reply) override {
    keep([reply = std::move(reply)]() mutable { reply(cancelled("cut")); });
  }
  void cut() override {
    std::vector<core::Task> waiting;
    {
      std::lock_guard lock(mutex_);
      waiting.swap(waiting_);
    }
    for (core::Task& end : waiting) end();
  }
  const std::string& address() const override { return address_; }

 private:
  void keep(core::Task end) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(end));
  }

  std::mutex mutex_;
  std::vector<core::Task> waiting_;
  const std::string address_ = "nobody";
};

// A driver and the network around it.
class FakeDriver final : public wire::Transport, public wire::ControlService {
 public:
  FakeDriver() { listener_ = *inproc.listen("driver", this); }

  Result<std::unique_ptr<wire::Listener>> listen(const std::string&, wire::ParameterService*,
                                                 const wire::ListenOptions&) override {
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

  void join(const wire::JoinRequest&, core::Reply<Result<wire::JoinReply>> reply) override {
    if (fails(join_failures)) return reply(unavailable("broken pipe"));
    reply(wire::JoinReply{kJob, ++last_member_, 0, to_json(spec), 0});
  }
  void acquire(const wire::AcquireRequest& request,
               core::Reply<Result<AcquireReply>> reply) override {
    if (fails(acquire_failures)) return reply(unavailable("broken pipe"));
    std::lock_guard lock(mutex_);
    if (request.member == forgotten) return reply(not_found("member 7"));
    if (answers.empty()) return reply(of_kind(AcquireReply::Kind::kDone));
    AcquireReply next = answers.front();
    answers.pop_front();
    reply(std::move(next));
  }
  void heartbeat(const wire::HeartbeatRequest& request,
                 core::Reply<Result<wire::HeartbeatReply>> reply) override {
    {
      std::lock_guard lock(mutex_);
      heartbeats_.push_back(request);
      changed_.notify_all();
    }
    reply(wire::HeartbeatReply{});
  }
  void finish(const wire::FinishRequest& request, core::Reply<Status> reply) override {
    if (fails(finish_failures)) return reply(unavailable("broken pipe"));
    finished.push_back(request);
    reply(ok_status());
  }
  void leave(const wire::LeaveRequest& request, core::Reply<Status> reply) override {
    {
      std::lock_guard lock(mutex_);
      left.push_back(request.status);
    }
    reply(ok_status());
  }
  void fetch(const wire::FetchRequest& request,
             core::Reply<Result<wire::RecordChunk>> reply) override {
    const auto records = two_records().records();
    reply(wire::RecordChunk{request.first,
                            testing_support::stored(*records),
                            {records->labels().begin(), records->labels().end()}});
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
  int64_t forgotten = 0;             // the member that the driver does not know
  std::vector<wire::FinishRequest> finished;
  std::vector<Status> left;

 private:
  static bool fails(std::atomic<int>& failures) { return failures > 0 && failures-- > 0; }

  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t last_member_ = 6;
  std::vector<wire::HeartbeatRequest> heartbeats_;
  std::unique_ptr<wire::Listener> listener_;
};

// A server for the job of a_spec(), where granted() with the address "server" leads.
class AServer {
 public:
  explicit AServer(transport::InprocTransport& inproc) {
    server_.serve_job(kJob);
    const std::vector<float> parameters(kParameters);
    EXPECT_TRUE(await_status([&](auto reply) {
                  server_.create({kJob,
                                  granted().parameters.shard_map,
                                  0,
                                  algorithm::Choice("adag").to_update_rule({}),
                                  {1000}},
                                 std::move(reply));
                }).ok());
    EXPECT_TRUE(
        await_status([&](auto reply) {
          server_.assign({kJob, 0}, {{std::as_bytes(std::span(parameters))}, {}}, std::move(reply));
        }).ok());
    fence(1);
    listener_ = *inproc.listen("server", &server_, {});
  }
  void fence(int64_t incarnation) {
    EXPECT_TRUE(await_result<wire::FenceReply>([&](auto reply) {
                  server_.fence({kJob, 0, incarnation, 1, 1000}, std::move(reply));
                }).ok());
  }

 private:
  server::ParameterServer server_{core::real_world()};
  std::unique_ptr<wire::Listener> listener_;
};

AcquireReply granted_at_the_server() {
  AcquireReply reply = granted();
  reply.parameters.servers = {"server"};
  return reply;
}

class WorkerTest : public testing::Test {
 protected:
  Status run() {
    return run_worker(core::real_world(), driver_, {"driver"},
                      {stop_.get_token(), [] { return "stopped by SIGTERM"; }})
        .why;
  }
  Status run_with(WorkerParts parts) {
    std::promise<Status> ended;
    Worker worker(core::real_world(), driver_, {"driver"}, std::move(parts),
                  [&](Status why) { ended.set_value(std::move(why)); });
    worker.start();
    return ended.get_future().get();
  }

  FakeDriver driver_;
  std::stop_source stop_;
};

TEST_F(WorkerTest, BrokenConnectionsToTheDriverAreNoEnd) {
  driver_.join_failures = driver_.acquire_failures = driver_.finish_failures = 2;
  AServer server(driver_.inproc);
  driver_.answers = {granted_at_the_server()};
  EXPECT_TRUE(run().ok());
  EXPECT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finish_failures, 0);
}

TEST_F(WorkerTest, ALeaseThatWasTakenAwayIsNoEnd) {
  AServer server(driver_.inproc);
  server.fence(2);
  driver_.answers = {granted_at_the_server(), granted_at_the_server()};
  driver_.answers[1].lease.incarnation = 2;
  EXPECT_TRUE(run().ok());
  ASSERT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finished[0].incarnation, 2);
}

TEST_F(WorkerTest, AMemberThatTheDriverDoesNotKnowJoinsAgain) {
  AServer server(driver_.inproc);
  driver_.answers = {granted_at_the_server()};
  driver_.forgotten = 7;
  EXPECT_TRUE(run().ok());
  ASSERT_EQ(driver_.finished.size(), 1u);
  EXPECT_EQ(driver_.finished[0].member, 8);
  EXPECT_THAT(driver_.left, testing::ElementsAre(ok_status()));
}

// --- While the model is being compiled ---

FakeDriver* g_driver = nullptr;
std::atomic<bool> g_heard = false;

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

TEST_F(WorkerTest, IsHeardOfWhileItsDeviceIsBeingOpened) {
  bool heard = false;
  EXPECT_TRUE(run_with({.open_backend = [&](const backend::DeviceOptions& options) {
                heard = driver_.wait_for_heartbeat([](const auto& r) { return r.member == 7; });
                return backend::open_backend(options);
              }}).ok());
  EXPECT_TRUE(heard);
}

// --- Threads ---

// The CPU, that remembers for how many threads it was asked to compile.
class CountedBackend final : public backend::Backend {
 public:
  explicit CountedBackend(std::vector<int>& threads) : threads_(threads) {}
  std::string name() const override { return cpu_->name(); }
  Status check(backend::Precision precision) const override { return cpu_->check(precision); }
  std::unique_ptr<backend::Replica> compile(const backend::Graph& graph,
                                            const backend::ReplicaOptions& options) override {
    threads_.push_back(options.threads);
    return cpu_->compile(graph, options);
  }

 private:
  const std::shared_ptr<backend::Backend> cpu_ = *backend::open_backend({.name = "cpu"});
  std::vector<int>& threads_;
};

class WorkerThreadsTest : public WorkerTest {
 protected:
  // Two leases, with these shares; what was compiled for.
  std::vector<int> compiled(int first_share, int second_share, const core::UsableCores& cores) {
    AServer server(driver_.inproc);
    driver_.answers = {granted_at_the_server(), granted_at_the_server()};
    driver_.answers[0].threads = first_share;
    driver_.answers[1].threads = second_share;
    driver_.answers[1].lease.next_sequence = 3;
    std::vector<int> threads;
    std::promise<Status> ended;
    WorkerOptions options{"driver"};
    options.cores = cores;
    Worker worker(core::real_world(), driver_, options,
                  {.open_backend =
                       [&](const backend::DeviceOptions&) {
                         return Result<std::shared_ptr<backend::Backend>>(
                             std::make_shared<CountedBackend>(threads));
                       }},
                  [&](Status why) { ended.set_value(std::move(why)); });
    worker.start();
    const Status why = ended.get_future().get();
    EXPECT_TRUE(why.ok()) << why;
    return threads;
  }
  static core::UsableCores four_cores() {
    return {4, "all of this machine", false, {{"machine", 4}}};
  }
};

TEST_F(WorkerThreadsTest, TheFirstLeaseTellsTheShare) {
  driver_.spec.threads = 0;
  EXPECT_THAT(compiled(2, 2, four_cores()), testing::ElementsAre(4, 2));
}

TEST_F(WorkerThreadsTest, WhoHasTrainedKeepsItsThreads) {
  driver_.spec.threads = 0;
  EXPECT_THAT(compiled(2, 4, four_cores()), testing::ElementsAre(4, 2));
}

TEST_F(WorkerThreadsTest, AShareIsNoMoreThanThereIs) {
  driver_.spec.threads = 0;
  EXPECT_THAT(compiled(64, 64, four_cores()), testing::ElementsAre(4));
}

TEST_F(WorkerThreadsTest, WhatTheJobSaysStands) {
  driver_.spec.threads = 3;
  EXPECT_THAT(compiled(1, 1, four_cores()), testing::ElementsAre(3));
}

TEST_F(WorkerThreadsTest, SoDoesWhatTheLauncherSays) {
  driver_.spec.threads = 0;
  core::UsableCores stated = four_cores();
  stated.count = 2;
  stated.stated = true;
  EXPECT_THAT(compiled(1, 1, stated), testing::ElementsAre(2));
}

TEST_F(WorkerTest, LeavesWithTheReasonWhyItHasNoDevice) {
  const Status broken = not_found("no GPU here");
  EXPECT_EQ(run_with({.open_backend = [&](const backend::DeviceOptions&)
                          -> Result<std::shared_ptr<backend::Backend>> { return broken; }}),
            broken);
  EXPECT_THAT(driver_.left, testing::ElementsAre(broken));
}

TEST_F(WorkerTest, LeavesAModelThatMakesNoSense) {
  driver_.spec.model = R"({"no": "model"})";
  EXPECT_EQ(run().code(), StatusCode::kInvalidArgument);
  ASSERT_EQ(driver_.left.size(), 1u);
  EXPECT_EQ(driver_.left[0].code(), StatusCode::kInvalidArgument);
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
  EXPECT_THAT(log, HasSubstr("waiting for the driver at driver: broken pipe; given up in "));
  EXPECT_THAT(log, HasSubstr("waiting for something else\n"));
  const size_t first = log.find("waiting for the last partitions\n");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("waiting for the last partitions\n", first + 1), std::string::npos);
  EXPECT_THAT(log, HasSubstr("the job is over\n"));
}

TEST_F(WorkerTest, StopEndsAWaitForAServerAndTheDriverHearsOfIt) {
  driver_.answers = {granted()};
  auto status = std::async(std::launch::async, [this] { return run(); });
  EXPECT_TRUE(driver_.wait_for_heartbeat([](const auto& r) {
    return r.partition == 0 && r.waiting_for == "server at nobody, which has not answered yet";
  }));
  stop_.request_stop();
  ASSERT_EQ(status.wait_for(5s), std::future_status::ready) << "the calls' deadline is 10 s away";
  EXPECT_EQ(status.get(), cancelled("stopped by SIGTERM"));
  EXPECT_THAT(driver_.left, testing::ElementsAre(cancelled("stopped by SIGTERM")));
}

// --- What the driver sends is looked at ---

TEST_F(WorkerTest, AShardMapOfOtherServersOrParametersIsRefused) {
  AcquireReply gap = granted(), servers = granted(), parameters = granted();
  gap.parameters.shard_map = wire::ShardMap({{0, 16, kParameters, 0}});
  servers.parameters.servers.clear();
  parameters.parameters.shard_map = wire::ShardMap::even(kParameters + 1, 1, 1);
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
