#include "server/parameter_server.h"

#include <algorithm>
#include <map>
#include <new>
#include <stdexcept>
#include <vector>

#include "core/log.h"
#include "core/process_info.h"
#include "server/shard_store.h"

namespace sluice::server {
namespace {

// Runs `call`, with what it throws turned into a Status.
template <typename Call>
auto guarded(const char* what, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kResourceExhausted,
                  std::string(what) + ": the server is out of memory");
  } catch (const std::exception& error) {
    return internal_error(std::string(what) + ": " + error.what());
  }
}

std::shared_ptr<BufferPool> make_pool(const wire::ShardMap& map, const std::vector<int>& owned) {
  size_t largest = 0;
  for (const int index : owned) largest = std::max(largest, map[index].size);
  // Every shard may have a reply under way that holds an earlier version, and one more.
  return std::make_shared<BufferPool>(largest, 2 * owned.size() + 2);
}

}  // namespace

struct ParameterServer::Job {
  explicit Job(const wire::CreateRequest& r) : request(r) {
    const std::vector<int> owned = request.shard_map.owned_by(request.server);
    const auto pool = make_pool(request.shard_map, owned);
    const auto make_rule = [rule = request.update_rule](size_t shard_size) {
      return make_update_rule(rule, shard_size);
    };
    for (const int index : owned) {
      shards.emplace(index,
                     std::make_unique<ShardStore>(request.shard_map[index], make_rule, pool));
    }
  }

  Result<ShardStore*> find(int shard) const {
    const auto it = shards.find(shard);
    if (it != shards.end()) return it->second.get();
    return not_found("shard " + std::to_string(shard) + " is not owned by server " +
                     std::to_string(request.server));
  }

  bool is_made_by(const wire::CreateRequest& other) const {
    return request.shard_map == other.shard_map && request.server == other.server &&
           request.update_rule == other.update_rule;
  }

  const wire::CreateRequest request;
  std::map<int, std::unique_ptr<ShardStore>> shards;  // the table never changes
};

ParameterServer::ParameterServer(std::function<void(const std::string&)> on_shutdown)
    : on_shutdown_(std::move(on_shutdown)) {}

ParameterServer::~ParameterServer() = default;

Status ParameterServer::create(const wire::CreateRequest& request) {
  return guarded("create", [&]() -> Status {
    SLUICE_RETURN_IF_ERROR(request.shard_map.validate());
    if (request.shard_map.owned_by(request.server).empty()) {
      return invalid_argument("the shard map has no shards for server " +
                              std::to_string(request.server));
    }
    try {
      (void)make_update_rule(request.update_rule, 0);
    } catch (const std::invalid_argument& error) {
      return invalid_argument(error.what());
    }
    auto job = std::make_shared<Job>(request);
    std::lock_guard lock(mutex_);
    if (job_ && job_->request.job == request.job) {
      if (job_->is_made_by(request)) return ok_status();
      return {StatusCode::kAlreadyExists, "job " + std::to_string(request.job) +
                                              " has been created with other shards or another "
                                              "update rule; give the new job another number"};
    }
    job_.swap(job);
    SLUICE_LOG(debug, "job {}: {} of {} shards", request.job, job_->shards.size(),
               request.shard_map.size());
    return ok_status();
  });
}

Status ParameterServer::assign(const wire::AssignRequest& request,
                               const wire::PayloadView& values) {
  return guarded("assign", [&]() -> Status {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    SLUICE_ASSIGN_OR_RETURN(ShardStore* const shard, job->find(request.shard));
    return shard->assign(values);
  });
}

Result<wire::ExchangeReply> ParameterServer::exchange(const wire::PushHeader& header,
                                                      const wire::PayloadView& update) {
  return guarded("exchange", [&]() -> Result<wire::ExchangeReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(header.job));
    SLUICE_ASSIGN_OR_RETURN(ShardStore* const shard, job->find(header.shard));
    return shard->push(header, update);
  });
}

Result<wire::PushReply> ParameterServer::push(const wire::PushHeader& header,
                                              const wire::PayloadView& update) {
  SLUICE_ASSIGN_OR_RETURN(const wire::ExchangeReply reply, exchange(header, update));
  return reply.push;
}

Result<wire::PullReply> ParameterServer::pull(uint64_t job_id, int shard_index) {
  SLUICE_ASSIGN_OR_RETURN(const auto job, find(job_id));
  SLUICE_ASSIGN_OR_RETURN(ShardStore* const shard, job->find(shard_index));
  return shard->pull();
}

Result<wire::FenceReply> ParameterServer::fence(const wire::FenceRequest& request) {
  return guarded("fence", [&]() -> Result<wire::FenceReply> {
    if (request.partition < 0 || request.incarnation < 0) {
      return invalid_argument("cannot fence partition " + std::to_string(request.partition) +
                              " at incarnation " + std::to_string(request.incarnation));
    }
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    int64_t least = INT64_MAX;
    for (const auto& [index, shard] : job->shards) {
      least = std::min(least, shard->fence(request.partition, request.incarnation));
    }
    return wire::FenceReply{least};
  });
}

Result<wire::LedgerReply> ParameterServer::ledger(uint64_t job_id) {
  return guarded("ledger", [&]() -> Result<wire::LedgerReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(job_id));
    wire::LedgerReply reply;
    TrainingTotals totals;
    std::map<int64_t, wire::LedgerReply::PartitionCount> partitions;
    std::map<int64_t, size_t> seen;  // shards that know the partition
    for (const auto& [index, shard] : job->shards) {
      const ShardStore::Report report = shard->report();
      reply.shards.push_back(report.count);
      reply.update_seconds += report.update_seconds;
      totals.merge(report.totals);
      for (const auto& [id, entry] : report.ledger.entries()) {
        auto& count =
            partitions.try_emplace(id, id, entry.incarnation, entry.sequence).first->second;
        count.incarnation = std::max(count.incarnation, entry.incarnation);
        count.sequence = std::min(count.sequence, entry.sequence);
        ++seen[id];
      }
    }
    for (auto& [id, count] : partitions) {
      if (seen[id] < job->shards.size()) count.sequence = 0;
      reply.partitions.push_back(count);
    }
    reply.epochs = totals.epochs();
    reply.workers = totals.workers();
    reply.peak_memory_bytes = core::peak_memory_bytes();
    return reply;
  });
}

Status ParameterServer::shutdown(const std::string& reason) {
  {
    std::lock_guard lock(mutex_);
    if (shutting_down_) return ok_status();
    shutting_down_ = true;
  }
  if (on_shutdown_) on_shutdown_(reason);
  return ok_status();
}

Result<std::shared_ptr<ParameterServer::Job>> ParameterServer::find(uint64_t job) const {
  std::lock_guard lock(mutex_);
  if (!job_) return failed_precondition("this server has not been given a job yet");
  if (job_->request.job != job) {
    return failed_precondition("this server works for job " + std::to_string(job_->request.job) +
                               ", not for job " + std::to_string(job));
  }
  return job_;
}

}  // namespace sluice::server
