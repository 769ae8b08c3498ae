// A parameter server that lets pushes wait at a gate before it does them.
#pragma once

#include <condition_variable>
#include <mutex>

#include "server/parameter_server.h"

namespace sluice::transport {

class GatedService final : public wire::ParameterService {
 public:
  void close_gate() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open_gate() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // Returns when `n` pushes have arrived so far.
  void wait_for_arrivals(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= n; });
  }

  Status create(const wire::CreateRequest& request) override { return server_.create(request); }
  Status assign(const wire::AssignRequest& request, const wire::PayloadView& values) override {
    return server_.assign(request, values);
  }
  Result<wire::ExchangeReply> exchange(const wire::PushHeader& header,
                                       const wire::PayloadView& update) override {
    {
      std::unique_lock lock(mutex_);
      ++arrived_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
    }
    return server_.exchange(header, update);
  }
  Result<wire::PushReply> push(const wire::PushHeader& header,
                               const wire::PayloadView& update) override {
    return server_.push(header, update);
  }
  Result<wire::PullReply> pull(uint64_t job, int shard) override {
    return server_.pull(job, shard);
  }
  Result<wire::FenceReply> fence(const wire::FenceRequest& request) override {
    return server_.fence(request);
  }
  Result<wire::LedgerReply> ledger(uint64_t job) override { return server_.ledger(job); }
  Status shutdown(const std::string& reason) override { return server_.shutdown(reason); }

 private:
  server::ParameterServer server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int arrived_ = 0;
};

}  // namespace sluice::transport
