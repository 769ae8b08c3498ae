// A driver whose parameter servers are the test's: they remember what they were told and answer
// what the test wants. Workers are the test itself, calling the driver as a transport would.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "core/version.h"
#include "driver/driver.h"
#include "sluice/dataset.h"
#include "transport/inproc/inproc_transport.h"

namespace sluice::driver {

class FakeServer final : public wire::ParameterService {
 public:
  struct Told {
    std::vector<wire::CreateRequest> created;
    std::map<int, std::vector<float>> assigned;  // by shard
    std::vector<wire::FenceRequest> fences;
    std::vector<std::string> shutdowns;
  };
  Told told() const {
    std::lock_guard lock(mutex_);
    return told_;
  }
  void answer_create(Status status) {
    std::lock_guard lock(mutex_);
    create_answer_ = std::move(status);
  }
  void answer_fence(Result<wire::FenceReply> reply) {
    std::lock_guard lock(mutex_);
    fence_answer_ = std::move(reply);
  }
  void answer_ledger(wire::LedgerReply reply) {
    std::lock_guard lock(mutex_);
    ledger_answer_ = std::move(reply);
  }
  void set_values(float value) {  // of every shard, from now on
    std::lock_guard lock(mutex_);
    for (auto& [shard, values] : told_.assigned) std::fill(values.begin(), values.end(), value);
  }

  Status create(const wire::CreateRequest& request) override {
    std::lock_guard lock(mutex_);
    told_.created.push_back(request);
    return create_answer_;
  }
  Status assign(const wire::AssignRequest& request, const wire::PayloadView& values) override {
    std::lock_guard lock(mutex_);
    const auto* floats = reinterpret_cast<const float*>(values.pieces.front().data());
    told_.assigned[request.shard] = {floats, floats + values.bytes() / sizeof(float)};
    return ok_status();
  }
  Result<wire::ExchangeReply> exchange(const wire::PushHeader&, const wire::PayloadView&) override {
    return internal_error("the driver does not push");
  }
  Result<wire::PushReply> push(const wire::PushHeader&, const wire::PayloadView&) override {
    return internal_error("the driver does not push");
  }
  Result<wire::PullReply> pull(uint64_t, int shard) override {
    std::lock_guard lock(mutex_);
    const auto values = std::make_shared<const std::vector<float>>(told_.assigned.at(shard));
    return wire::PullReply{1, {values, *values}};
  }
  Result<wire::FenceReply> fence(const wire::FenceRequest& request) override {
    std::lock_guard lock(mutex_);
    told_.fences.push_back(request);
    return fence_answer_;
  }
  Result<wire::LedgerReply> ledger(uint64_t) override {
    std::lock_guard lock(mutex_);
    return ledger_answer_;
  }
  Status shutdown(const std::string& reason) override {
    std::lock_guard lock(mutex_);
    told_.shutdowns.push_back(reason);
    return ok_status();
  }

 private:
  mutable std::mutex mutex_;
  Told told_;
  Status create_answer_;
  Result<wire::FenceReply> fence_answer_ = wire::FenceReply{};
  wire::LedgerReply ledger_answer_;
};

// Two servers with two shards of sixteen parameters each; twelve records in three partitions, two
// epochs.
class DriverFixture : public ::testing::Test {
 protected:
  static constexpr int kServers = 2;

  DriverFixture() {
    for (size_t i = 0; i < kServers; ++i) {
      listeners_.push_back(*transport_.listen("server " + std::to_string(i), &servers[i], 1));
    }
    for (int i = 0; i < 64; ++i) initial.push_back(static_cast<float>(i));
    options.training.partitions = 3;
    options.training.epochs = 2;
    options.training.seed = 5;
    options.update_rule = "the rule";
    options.servers = kServers;
    options.shards = 4;
  }
  void TearDown() override {
    stop = true;
    for (int64_t worker : workers_) (void)driver->leave({worker, ok_status()});  // run() waits
    if (thread_.joinable()) thread_.join();
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

  void make_driver(const Dataset& dataset = twelve_records()) {
    driver = std::make_unique<Driver>(options, dataset.records(), initial, transport_, *observer);
  }
  void run() {
    thread_ = std::thread([this] { result = driver->run(stop); });
  }
  int64_t join(wire::Role role, int64_t pid, const std::string& address = "") {
    const auto reply = driver->join({role, core::version(), "hosta", pid, address, -1});
    EXPECT_TRUE(reply.ok()) << reply.status();
    if (!reply.ok()) return -1;
    if (role == wire::Role::kWorker) workers_.push_back(reply->member);
    return reply->member;
  }
  void join_servers() {
    for (int i = 0; i < kServers; ++i) {
      join(wire::Role::kServer, 100 + i, "server " + std::to_string(i));
    }
  }
  // A running job that has begun to train.
  void start() {
    make_driver();
    join_servers();
    run();
    ASSERT_TRUE(wait_for([&] { return servers[1].told().assigned.size() == 2; }));
  }

  // The first answer that is not about the job's beginning.
  wire::AcquireReply acquire(int64_t member) {
    Result<wire::AcquireReply> reply = internal_error("never");
    EXPECT_TRUE(wait_for([&] {
      reply = driver->acquire(member);
      return !reply.ok() || reply->kind != wire::AcquireReply::Kind::kWait ||
             !servers[1].told().fences.empty() || !servers[0].told().fences.empty();
    }));
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : wire::AcquireReply{};
  }
  void train_everything(int64_t member) {
    for (int i = 0; i < 3; ++i) {
      const wire::Lease lease = acquire(member).lease;
      EXPECT_TRUE(driver->finish({member, lease.partition, lease.incarnation, 1}).ok());
    }
    EXPECT_TRUE(driver->leave({member, ok_status()}).ok());
  }
  // Of run().
  const Result<JobResult>& end() {
    thread_.join();
    return result;
  }

  static bool wait_for(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  FakeServer servers[kServers];
  std::vector<float> initial;
  DriverOptions options;
  JobObserver quiet;
  JobObserver* observer = &quiet;
  std::unique_ptr<Driver> driver;
  std::atomic<bool> stop{false};
  Result<JobResult> result = internal_error("not run");

 private:
  transport::InprocTransport transport_;
  std::vector<std::unique_ptr<wire::Listener>> listeners_;
  std::vector<int64_t> workers_;
  std::thread thread_;
};

}  // namespace sluice::driver
