// A parameter server behind a gate, where exchanges wait while it is closed.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "core/real_world.h"
#include "server/parameter_server.h"

namespace sluice::transport {

class GatedService final : public wire::ParameterService {
 public:
  explicit GatedService(uint64_t job) { server_.serve_job(job); }
  ~GatedService() override { open_gate(); }

  void close_gate() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  // What waits is done on this thread.
  void open_gate() {
    std::vector<core::Task> waiting;
    {
      std::lock_guard lock(mutex_);
      open_ = true;
      waiting.swap(waiting_);
    }
    for (core::Task& exchange : waiting) exchange();
  }
  // Returns when `n` exchanges have arrived so far.
  void wait_for_arrivals(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= n; });
  }

  void create(const wire::CreateRequest& request, core::Reply<Status> reply) override {
    server_.create(request, std::move(reply));
  }
  void assign(const wire::AssignRequest& request, wire::ReceivedPayload values,
              core::Reply<Status> reply) override {
    server_.assign(request, std::move(values), std::move(reply));
  }
  void exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                core::Reply<Result<wire::ExchangeReply>> reply) override {
    {
      std::lock_guard lock(mutex_);
      ++arrived_;
      changed_.notify_all();
      if (!open_) {
        waiting_.emplace_back(
            [this, header, update = std::move(update), reply = std::move(reply)]() mutable {
              server_.exchange(header, std::move(update), std::move(reply));
            });
        return;
      }
    }
    server_.exchange(header, std::move(update), std::move(reply));
  }
  void pull(const wire::PullRequest& request, core::Reply<Result<wire::PullReply>> reply) override {
    server_.pull(request, std::move(reply));
  }
  void fence(const wire::FenceRequest& request,
             core::Reply<Result<wire::FenceReply>> reply) override {
    server_.fence(request, std::move(reply));
  }
  void ledger(const wire::LedgerRequest& request,
              core::Reply<Result<wire::LedgerReply>> reply) override {
    server_.ledger(request, std::move(reply));
  }
  void ping(uint64_t job, core::Reply<Result<wire::PingReply>> reply) override {
    server_.ping(job, std::move(reply));
  }
  void set_gate(const wire::GateRequest& request, core::Reply<Status> reply) override {
    server_.set_gate(request, std::move(reply));
  }

 private:
  server::ParameterServer server_{core::real_world()};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int arrived_ = 0;
  std::vector<core::Task> waiting_;
};

}  // namespace sluice::transport
