// A driver whose parameter servers are the test's, in a world whose time is the test's too. Members
// are the test itself, calling the driver as a transport would.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/version.h"
#include "driver/driver.h"
#include "sluice/dataset.h"
#include "tests/driver/coordinator_fixture.h"
#include "tests/driver/fake_server.h"
#include "tests/support/manual_world.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice::driver {

// Remembers everything.
class EventRecorder : public JobObserver {
 public:
  void on_event(const JobEvent& event) override { events.push_back(event); }
  template <typename Kind>
  std::vector<Kind> all() const {
    return of_kind<Kind>(events);
  }
  template <typename Kind>
  Kind last() const {
    const auto found = all<Kind>();
    return found.empty() ? Kind{} : found.back();
  }

  std::vector<JobEvent> events;
};

// The answer to one call, once it is there.
template <typename Answer>
class Pending {
 public:
  core::Reply<Answer> reply() {
    return [answer = answer_](Answer given) { *answer = std::move(given); };
  }
  bool is_there() const { return answer_->has_value(); }
  // Only when it is there.
  const Answer& get() const { return **answer_; }

 private:
  std::shared_ptr<std::optional<Answer>> answer_ = std::make_shared<std::optional<Answer>>();
};

// Two servers with two shards of sixteen parameters each; twelve records in three partitions, two
// epochs; 2, 3 and 3 pushes.
class DriverFixture : public ::testing::Test {
 protected:
  using Acquired = Pending<Result<wire::AcquireReply>>;
  using Heard = Pending<Result<wire::HeartbeatReply>>;

  static constexpr int kServers = 2;
  static constexpr const char* kHost = "manual-host";  // the driver's own

  DriverFixture() {
    for (size_t i = 0; i < kServers; ++i) {
      listeners_.push_back(*transport_.listen("server " + std::to_string(i), &servers[i], {}));
      servers[i].answer_ledger(complete_ledger(static_cast<int>(i)));
    }
    for (int i = 0; i < 64; ++i) initial.push_back(static_cast<float>(i));
    options.training.partitions = 3;
    options.training.epochs = 2;
    options.training.seed = 5;
    options.training.batch_size = 1;  // every push begins in the first epoch
    options.training.trainer.set("window", int64_t{1});
    options.update_rule = "the rule";
    options.pushes = {2, 3, 3};
    options.servers = kServers;
    options.shards = 4;
  }

  static Dataset twelve_records() {
    std::vector<float> x(12);
    std::vector<int32_t> labels(12);
    for (size_t i = 0; i < 12; ++i) {
      x[i] = static_cast<float>(i);
      labels[i] = static_cast<int32_t>(i % 3);
    }
    return Dataset::from_arrays(x, labels, {1}, 3);
  }
  // Every record of the first `whole` epochs, and half of them in the next.
  static std::vector<wire::EpochMetrics> epochs_until(int whole) {
    std::vector<wire::EpochMetrics> epochs;
    for (int epoch = 0; epoch < whole; ++epoch) epochs.push_back({epoch, 12, 6.0, {9}});
    if (whole < 2) epochs.push_back({whole, 6, 3.0, {3}});
    return epochs;
  }
  // What a server counts when everything is trained.
  static wire::LedgerReply complete_ledger(int server) {
    wire::LedgerReply ledger;
    ledger.shards = 2;
    ledger.version = 8;
    ledger.partitions = {{0, 2}, {1, 3}, {2, 3}};
    if (server == 0) ledger.epochs = epochs_until(2);
    return ledger;
  }

  void make_driver(const Dataset& dataset = twelve_records()) {
    driver =
        std::make_unique<Driver>(world, transport_, options, dataset.records(), initial, observer);
  }
  void run() {
    driver->start([this](Result<JobResult> ended) {
      ++ends;
      result = std::move(ended);
    });
    world.run();
  }

  // A server of the test at one more address.
  void listen(const std::string& address, int server) {
    listeners_.push_back(*transport_.listen(address, &servers[server], {}));
  }
  int64_t join(wire::Role role, int64_t pid, const std::string& address = "",
               const std::string& came_from = "") {
    wire::JoinRequest request;
    request.role = role;
    request.version = core::version();
    request.process = {kHost, "machine", pid, 1};
    request.address = address;
    request.came_from = came_from;
    Pending<Result<wire::JoinReply>> joined;
    driver->join(request, joined.reply());
    world.run();
    EXPECT_TRUE(joined.is_there() && joined.get().ok());
    if (!joined.is_there() || !joined.get().ok()) return -1;
    job = joined.get()->job;
    job_spec = joined.get()->job_spec;
    return joined.get()->member;
  }
  int64_t join_worker(int64_t pid = 10) { return join(wire::Role::kWorker, pid); }
  void join_servers() {
    for (int i = 0; i < kServers; ++i) {
      server_members[i] = join(wire::Role::kServer, 100 + i, "server " + std::to_string(i));
    }
  }
  // A running job that has begun to train.
  void start() {
    make_driver();
    join_servers();
    run();
    ASSERT_EQ(observer.all<TrainingStarted>().size(), 1u);
  }

  Acquired ask_for_lease(int64_t member) {
    Acquired acquired;
    driver->acquire({job, member}, acquired.reply());
    world.run();
    return acquired;
  }
  wire::AcquireReply acquire(int64_t member) {
    const Acquired acquired = ask_for_lease(member);
    if (!acquired.is_there()) world.advance(std::chrono::seconds(1));
    EXPECT_TRUE(acquired.is_there() && acquired.get().ok());
    return acquired.is_there() && acquired.get().ok() ? *acquired.get() : wire::AcquireReply{};
  }
  // One that the driver may keep back.
  Heard send_heartbeat(int64_t member, core::Duration hold = std::chrono::seconds(1)) {
    wire::HeartbeatRequest request;
    request.job = job;
    request.member = member;
    request.hold = hold;
    Heard heard;
    driver->heartbeat(request, heard.reply());
    world.run();
    return heard;
  }
  Status finish(int64_t member, const wire::Lease& lease) {
    Pending<Status> finished;
    driver->finish({job, member, lease.partition, lease.incarnation}, finished.reply());
    world.run();
    return finished.get();
  }
  void leave(int64_t member, const Status& why = ok_status()) {
    Pending<Status> left;
    driver->leave({job, member, why}, left.reply());
    world.run();
    EXPECT_TRUE(left.is_there() && left.get().ok());
  }
  void servers_leave() {
    for (const int64_t member : server_members) leave(member);
  }
  // The job ends, as everybody else leaves.
  const Result<JobResult>& end() {
    servers_leave();
    EXPECT_EQ(ends, 1);
    return result;
  }
  void train_everything(int64_t member) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(finish(member, acquire(member).lease).ok());
  }
  void process_ended(int64_t pid, const std::string& fate) {
    driver->process_ended(pid, fate);
    world.run();
  }

  // Time passes, and these members' heartbeats come every second.
  void live_for(core::Duration time, const std::vector<int64_t>& members) {
    for (core::Duration passed{}; passed < time; passed += std::chrono::seconds(1)) {
      for (const int64_t member : members) send_heartbeat(member, core::Duration{});
      world.advance(std::min<core::Duration>(time - passed, std::chrono::seconds(1)));
    }
  }
  std::vector<int64_t> with_servers(int64_t member) const {
    return {server_members[0], server_members[1], member};
  }

  ManualWorld world;
  FakeServer servers[kServers];
  std::vector<float> initial;
  DriverOptions options;
  EventRecorder observer;
  uint64_t job = 0;
  std::string job_spec;
  int64_t server_members[kServers] = {};
  int ends = 0;  // how often the job has ended
  Result<JobResult> result = internal_error("the job has not ended");

 private:
  transport::InprocTransport transport_{{}, world};
  std::vector<std::unique_ptr<wire::Listener>> listeners_;

 protected:
  std::unique_ptr<Driver> driver;  // goes first
};

}  // namespace sluice::driver
