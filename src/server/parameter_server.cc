#include "server/parameter_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "algorithm/algorithm.h"
#include "core/log.h"
#include "server/gathered.h"
#include "server/guarded.h"
#include "server/limits.h"
#include "server/shard_store.h"

namespace sluice::server {
namespace {

std::shared_ptr<BufferPool> make_pool(const wire::CreateRequest& request,
                                      const std::vector<int>& owned) {
  size_t largest = 0;
  for (const int index : owned) largest = std::max(largest, request.shard_map[index].size);
  const bool averages = algorithm::make_shard_rule(request.update_rule, 0).average.has_value();
  // Every shard may have a reply under way that holds an earlier version, and one more; and the
  // averages of a push.
  return std::make_shared<BufferPool>(largest, (averages ? 3 : 2) * owned.size() + 2);
}

Status check_pushes(const std::vector<int64_t>& pushes) {
  if (pushes.size() > kMostPartitions) {
    return invalid_argument(
        fmt::format("a job of {} partitions; it may have {}", pushes.size(), kMostPartitions));
  }
  for (const int64_t n : pushes) {
    if (n < 0 || n > kMostPushes) {
      return invalid_argument(fmt::format("a partition of {} pushes makes no sense", n));
    }
  }
  return ok_status();
}

Status check(const wire::Gate& gate) {
  const bool sensible =
      gate.trainees.size() <= kMostTrainees && gate.max_staleness >= -1 &&
      std::all_of(gate.trainees.begin(), gate.trainees.end(), [](const auto& trainee) {
        return trainee.worker >= 0 && trainee.worker < kMostWorkers && trainee.clock >= -1 &&
               trainee.clock <= kMostWindows;
      });
  if (sensible) return ok_status();
  return invalid_argument(fmt::format("a gate of {} workers, {} windows apart, makes no sense",
                                      gate.trainees.size(), gate.max_staleness));
}

// Of the first shard; how long an answer has been held, of all.
void add(const std::vector<wire::LedgerReply::Trainee>& more,
         std::vector<wire::LedgerReply::Trainee>& all) {
  if (all.empty()) all = more;
  for (const auto& one : more) {
    const auto known = std::ranges::find(all, one.worker, &wire::LedgerReply::Trainee::worker);
    if (known != all.end()) known->held_s = std::max(known->held_s, one.held_s);
  }
}

Status check(const wire::CreateRequest& request) {
  SLUICE_RETURN_IF_ERROR(request.shard_map.validate());
  if (request.shard_map.owned_by(request.server).empty()) {
    return invalid_argument(
        fmt::format("the shard map has no shards for server {}", request.server));
  }
  SLUICE_RETURN_IF_ERROR(check_pushes(request.pushes));
  try {
    const algorithm::ShardRule rule = algorithm::make_shard_rule(request.update_rule, 0);
    if (!rule.algorithm->own_parameters) return ok_status();
    return request.shard_map.validate_parts(std::ssize(request.pushes));
  } catch (const std::invalid_argument& error) {
    return invalid_argument(error.what());
  }
}

}  // namespace

struct ParameterServer::Job {
  Job(const wire::CreateRequest& r, const core::World& world) : request(r) {
    const std::vector<int> owned = request.shard_map.owned_by(request.server);
    const auto pool = make_pool(request, owned);
    const algorithm::ShardRule rule = algorithm::make_shard_rule(request.update_rule, 0);
    const bool in_parts = rule.algorithm->own_parameters;
    for (const int index : owned) {
      const int64_t owner =
          in_parts ? request.shard_map.part_of(index, std::ssize(request.pushes)) : -1;
      const auto make_rule = [this, offset = request.shard_map[index].offset](size_t shard_size) {
        return algorithm::make_shard_rule(request.update_rule, shard_size, offset);
      };
      shards.emplace(
          index, std::make_unique<ShardStore>(request.shard_map[index], request.pushes, make_rule,
                                              pool, world, rule.algorithm, rule.backups, owner));
    }
  }

  bool is_made_by(const wire::CreateRequest& other) const {
    return request.shard_map == other.shard_map && request.server == other.server &&
           request.update_rule == other.update_rule && request.pushes == other.pushes;
  }

  const wire::CreateRequest request;
  std::map<int, std::unique_ptr<ShardStore>> shards;  // the table never changes
};

ParameterServer::ParameterServer(const core::World& world) : world_(world) {}

ParameterServer::~ParameterServer() {
  for (HeldCreate& held : held_) held.reply(cancelled("the server ends without having had a job"));
}

void ParameterServer::serve_job(uint64_t job) {
  std::vector<HeldCreate> held;
  std::shared_ptr<Job> given_up;  // freed after the lock
  {
    std::lock_guard lock(mutex_);
    expects_another_ = false;
    held.swap(held_);
    if (serving_ != job) given_up.swap(job_);
    serving_ = job;
  }
  for (HeldCreate& one : held) create(one.request, std::move(one.reply));
}

void ParameterServer::expect_another_job() {
  std::lock_guard lock(mutex_);
  expects_another_ = true;
}

void ParameterServer::create(const wire::CreateRequest& request, core::Reply<Status> reply) {
  const Result<bool> held = guarded("create", [&]() -> Result<bool> {
    SLUICE_RETURN_IF_ERROR(check(request));
    return hold(request, reply);
  });
  if (!held.ok()) return reply(held.status());
  if (!*held) reply(guarded("create", [&] { return make(request); }));
}

void ParameterServer::assign(const wire::AssignRequest& request, wire::ReceivedPayload values,
                             core::Reply<Status> reply) {
  const auto shard = guarded("assign", [&] { return find(request.job, request.shard); });
  if (!shard.ok()) return reply(shard.status());
  (*shard)->assign(std::move(values), std::move(reply));
}

void ParameterServer::exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                               core::Reply<Result<wire::ExchangeReply>> reply) {
  const auto shard = guarded("exchange", [&] { return find(header.job, header.shard); });
  if (!shard.ok()) return reply(shard.status());
  (*shard)->exchange(header, std::move(update), std::move(reply));
}

void ParameterServer::pull(const wire::PullRequest& request,
                           core::Reply<Result<wire::PullReply>> reply) {
  reply(guarded("pull", [&]() -> Result<wire::PullReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto shard, find(request.job, request.shard));
    if (request.worker >= kMostWorkers) {
      return invalid_argument(fmt::format("worker {} makes no sense", request.worker));
    }
    return request.averages ? shard->pull_averages() : shard->pull(request.worker);
  }));
}

void ParameterServer::fence(const wire::FenceRequest& request,
                            core::Reply<Result<wire::FenceReply>> reply) {
  std::shared_ptr<GatheredFence> gathered;
  const Status asked = guarded("fence", [&]() -> Status {
    SLUICE_RETURN_IF_ERROR(check(request.gate));
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    gathered = std::make_shared<GatheredFence>(std::move(reply));
    for (const auto& [index, shard] : job->shards) {
      shard->fence(request,
                   [gathered](const Result<int64_t>& sequence) { gathered->add(sequence); });
    }
    return ok_status();
  });
  if (asked.ok()) return;
  // Some shards may have been fenced, which does no harm: whoever asked asks again.
  if (gathered) {
    gathered->add(asked);
  } else {
    reply(asked);
  }
}

void ParameterServer::ledger(const wire::LedgerRequest& request,
                             core::Reply<Result<wire::LedgerReply>> reply) {
  reply(guarded("ledger", [&]() -> Result<wire::LedgerReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    wire::LedgerReply result;
    TrainingTotals totals;
    GatheredPartitions partitions;
    for (const auto& [index, shard] : job->shards) {
      const ShardStore::Report report = shard->report();
      result.shards.push_back(report.count);
      result.update_seconds += report.update_seconds;
      totals.merge(report.totals);
      if (request.partitions) partitions.add(shard->partitions());
      add(shard->trainees(), result.trainees);
    }
    result.floor = job->shards.begin()->second->floor();
    result.epochs = totals.epochs();
    const core::TimePoint now = world_.now();
    for (const core::TimePoint counted : totals.counted_at()) {
      result.epoch_ages_s.push_back(core::to_seconds(now - counted));
    }
    result.workers = totals.workers();
    result.partitions = partitions.result();
    result.peak_memory_bytes = world_.peak_memory_bytes();
    return result;
  }));
}

void ParameterServer::set_gate(const wire::GateRequest& request, core::Reply<Status> reply) {
  std::shared_ptr<GatheredStatus> gathered;
  const Status asked = guarded("set_gate", [&]() -> Status {
    SLUICE_RETURN_IF_ERROR(check(request.gate));
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    gathered = std::make_shared<GatheredStatus>(std::move(reply));
    for (const auto& [index, shard] : job->shards) {
      shard->set_gate(request, [gathered](const Status& status) { gathered->add(status); });
    }
    return ok_status();
  });
  if (asked.ok()) return;
  if (gathered) {
    gathered->add(asked);
  } else {
    reply(asked);
  }
}

void ParameterServer::ping(uint64_t job, core::Reply<Result<wire::PingReply>> reply) {
  reply(guarded("ping", [&]() -> Result<wire::PingReply> {
    std::shared_ptr<Job> present;
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(works_for(job));
      present = job_;
    }
    wire::PingReply result;
    if (!present) return result;
    for (const auto& [index, shard] : present->shards) {
      if (result.waiting_for.empty()) result.waiting_for = shard->waiting_for();
    }
    return result;
  }));
}

// Whether the request has been taken to be answered later.
Result<bool> ParameterServer::hold(const wire::CreateRequest& request, core::Reply<Status>& reply) {
  std::lock_guard lock(mutex_);
  if (serving_ && (!expects_another_ || *serving_ == request.job)) return false;
  if (held_.size() == kMostHeldCreates) {
    return Status(StatusCode::kResourceExhausted,
                  "this server has not joined a job yet, and too many calls wait for that");
  }
  held_.push_back({request, {}});
  held_.back().reply = std::move(reply);
  return true;
}

Status ParameterServer::make(const wire::CreateRequest& request) {
  std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(works_for(request.job));
  if (job_ && !job_->is_made_by(request)) {
    return {StatusCode::kAlreadyExists,
            fmt::format("job {} has been created with other shards, pushes or another update rule; "
                        "give the new job another number",
                        request.job)};
  }
  if (job_) return ok_status();
  job_ = std::make_shared<Job>(request, world_);
  SLUICE_LOG(info, "keeps {} of the job's {} shard(s), of {} parameters in all",
             job_->shards.size(), request.shard_map.size(), request.shard_map.parameters());
  return ok_status();
}

Status ParameterServer::works_for(uint64_t job) const {
  if (!serving_) return failed_precondition("this server has not joined a job yet");
  if (*serving_ == job) return ok_status();
  return failed_precondition(
      fmt::format("this server works for job {}, not for job {}", *serving_, job));
}

Result<std::shared_ptr<ParameterServer::Job>> ParameterServer::find(uint64_t job) const {
  std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(works_for(job));
  if (job_) return job_;
  return failed_precondition(fmt::format("job {} has not been created at this server yet", job));
}

Result<std::shared_ptr<ShardStore>> ParameterServer::find(uint64_t job_id, int shard) const {
  SLUICE_ASSIGN_OR_RETURN(const auto job, find(job_id));
  const auto it = job->shards.find(shard);
  if (it != job->shards.end()) return std::shared_ptr<ShardStore>(job, it->second.get());
  return not_found(fmt::format("shard {} is not owned by server {}", shard, job->request.server));
}

}  // namespace sluice::server
