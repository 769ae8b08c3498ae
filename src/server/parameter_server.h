// A parameter server: the shards it was told to own, behind the interface that a transport calls.
//
// Shards are independent of one another; calls for different shards run in parallel. Exceptions
// (out of memory, a rule's) are answered as RESOURCE_EXHAUSTED or INTERNAL, and then nothing has
// been applied. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "wire/parameters.h"

namespace sluice::server {

class ParameterServer final : public wire::ParameterService {
 public:
  // `on_shutdown` runs once, on a thread of the transport, when the process is asked to end; it
  // must return at once and must not stop the transport itself.
  explicit ParameterServer(std::function<void(const std::string& reason)> on_shutdown = {});
  ~ParameterServer() override;

  // INVALID_ARGUMENT: the map or the rule makes no sense. ALREADY_EXISTS: this job has been created
  // in another way.
  Status create(const wire::CreateRequest& request) override;
  Status assign(const wire::AssignRequest& request, const wire::PayloadView& values) override;
  Result<wire::ExchangeReply> exchange(const wire::PushHeader& header,
                                       const wire::PayloadView& update) override;
  Result<wire::PushReply> push(const wire::PushHeader& header,
                               const wire::PayloadView& update) override;
  Result<wire::PullReply> pull(uint64_t job, int shard) override;
  Result<wire::FenceReply> fence(const wire::FenceRequest& request) override;
  Result<wire::LedgerReply> ledger(uint64_t job) override;
  Status shutdown(const std::string& reason) override;

 private:
  struct Job;

  Result<std::shared_ptr<Job>> find(uint64_t job) const;

  const std::function<void(const std::string&)> on_shutdown_;

  mutable std::mutex mutex_;
  std::shared_ptr<Job> job_;  // calls in progress keep an earlier one alive
  bool shutting_down_ = false;
};

}  // namespace sluice::server
