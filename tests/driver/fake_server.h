// A parameter server of the test: it remembers what it was told, answers what the test wants, and
// when.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/unique_function.h"
#include "wire/parameters.h"

namespace sluice::driver {

enum class ServerCall { kCreate, kAssign, kPull, kFence, kCommit, kLedger, kPing };

// Thread-safe.
class FakeServer final : public wire::ParameterService {
 public:
  struct Told {
    std::vector<wire::CreateRequest> created;
    std::map<int, std::vector<float>> assigned;  // by shard
    std::vector<wire::FenceRequest> fences;
    std::vector<wire::PushHeader> commits;
    std::vector<wire::GateRequest> gates;
    std::vector<bool> ledgers;  // whether the partitions were asked for
  };

  // What was kept back is answered, though hardly anybody listens.
  ~FakeServer() override { speak(); }

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
  void set_average(float value) {  // of every parameter, from now on
    std::lock_guard lock(mutex_);
    average_ = value;
  }
  // From now on calls of this kind get no answer.
  void keep_silent(ServerCall kind) {
    std::lock_guard lock(mutex_);
    silent_.insert(kind);
  }
  void keep_silent() {
    for (const auto kind :
         {ServerCall::kCreate, ServerCall::kAssign, ServerCall::kPull, ServerCall::kFence,
          ServerCall::kCommit, ServerCall::kLedger, ServerCall::kPing}) {
      keep_silent(kind);
    }
  }
  // Everything that was kept back is answered now, and whatever comes.
  void speak() {
    std::vector<core::Task> kept;
    {
      std::lock_guard lock(mutex_);
      silent_.clear();
      kept.swap(kept_);
    }
    for (core::Task& answer : kept) answer();
  }
  size_t kept() const {
    std::lock_guard lock(mutex_);
    return kept_.size();
  }

  void create(const wire::CreateRequest& request, core::Reply<Status> reply) override {
    {
      std::lock_guard lock(mutex_);
      told_.created.push_back(request);
    }
    answer(ServerCall::kCreate, std::move(reply), [this] { return create_answer_; });
  }
  void assign(const wire::AssignRequest& request, wire::ReceivedPayload values,
              core::Reply<Status> reply) override {
    {
      std::lock_guard lock(mutex_);
      std::vector<float>& floats = told_.assigned[request.shards.first];
      floats.resize(values.bytes() / sizeof(float));
      std::memcpy(floats.data(), values.pieces.front().data(), values.bytes());
    }
    answer(ServerCall::kAssign, std::move(reply), [] { return ok_status(); });
  }
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    EXPECT_EQ(header.step, wire::PushStep::kCommit) << "the driver does not push";
    {
      std::lock_guard lock(mutex_);
      told_.commits.push_back(header);
    }
    answer(ServerCall::kCommit, std::move(reply),
           [] { return Result<wire::ExchangeReply>(wire::ExchangeReply{}); });
  }
  void pull(const wire::PullRequest& request, core::Reply<Result<wire::PullReply>> reply) override {
    answer(ServerCall::kPull, std::move(reply), [this, request] {
      auto floats = told_.assigned.at(request.shards.first);
      if (request.averages) std::fill(floats.begin(), floats.end(), average_);
      const auto values = std::make_shared<const std::vector<float>>(std::move(floats));
      return Result<wire::PullReply>(wire::PullReply{1, {{values, *values}}});
    });
  }
  void fence(const wire::FenceRequest& request,
             core::Reply<Result<wire::FenceReply>> reply) override {
    {
      std::lock_guard lock(mutex_);
      told_.fences.push_back(request);
    }
    answer(ServerCall::kFence, std::move(reply), [this, none = request.first - 1] {
      return fence_answer_.value_or(wire::FenceReply{none});
    });
  }
  void ledger(const wire::LedgerRequest& request,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    {
      std::lock_guard lock(mutex_);
      told_.ledgers.push_back(request.partitions);
    }
    answer(ServerCall::kLedger, std::move(reply),
           [this] { return Result<wire::LedgerReply>(ledger_answer_); });
  }
  void ping(uint64_t, core::Reply<Result<wire::PingReply>> reply) override {
    answer(ServerCall::kPing, std::move(reply), [] { return Result(wire::PingReply{}); });
  }
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply) override {
    {
      std::lock_guard lock(mutex_);
      told_.gates.push_back(request);
    }
    reply(ok_status());
  }

 private:
  // Now or, when silent, in speak(); with what is to be answered then.
  template <typename Reply, typename Make>
  void answer(ServerCall kind, Reply reply, Make make) {
    core::Task task = [this, reply = std::move(reply), make]() mutable {
      std::unique_lock lock(mutex_);
      auto made = make();
      lock.unlock();
      reply(std::move(made));
    };
    {
      std::lock_guard lock(mutex_);
      if (silent_.contains(kind)) return kept_.push_back(std::move(task));
    }
    task();
  }

  mutable std::mutex mutex_;
  Told told_;
  float average_ = 0;
  Status create_answer_;
  std::optional<Result<wire::FenceReply>> fence_answer_;  // none: nothing is applied
  wire::LedgerReply ledger_answer_;
  std::set<ServerCall> silent_;
  std::vector<core::Task> kept_;
};

}  // namespace sluice::driver
