#include "server/parameter_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "algorithm/algorithm.h"
#include "core/log.h"
#include "server/crew.h"
#include "server/guarded.h"
#include "server/job_store.h"
#include "server/limits.h"
#include "server/state_taker.h"

namespace sluice::server {
namespace {

std::shared_ptr<BufferPool> make_pool(const wire::CreateRequest& request,
                                      const wire::BufferSource& buffers) {
  const std::vector<int> owned = request.shard_map.owned_by(request.server);
  size_t largest = 0;
  for (const int index : owned) largest = std::max(largest, request.shard_map[index].size);
  const bool averages = algorithm::make_shard_rule(request.update_rule, 0).average.has_value();
  // Every shard may have a reply under way that holds an earlier version, and one more; and the
  // averages of a push.
  return std::make_shared<BufferPool>(largest, (averages ? 3 : 2) * owned.size() + 2, buffers);
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
      gate.trainees.size() <= kMostTrainees && gate.max_staleness >= -1 && gate.since >= 0 &&
      std::all_of(gate.trainees.begin(), gate.trainees.end(), [](const auto& trainee) {
        return trainee.worker >= 0 && trainee.worker < kMostWorkers && trainee.clock >= -1 &&
               trainee.clock <= kMostWindows;
      });
  if (sensible) return ok_status();
  return invalid_argument(fmt::format("a gate of {} workers, {} windows apart, makes no sense",
                                      gate.trainees.size(), gate.max_staleness));
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

bool same_job(const wire::CreateRequest& one, const wire::CreateRequest& other) {
  return one.shard_map == other.shard_map && one.server == other.server &&
         one.update_rule == other.update_rule && one.pushes == other.pushes &&
         one.revision == other.revision;
}

bool goes_on_from(const wire::CreateRequest& present, const wire::MoveRequest& request) {
  return present.shard_map == request.from && present.revision == request.from_revision &&
         present.server == request.server && present.update_rule == request.next.update_rule &&
         present.pushes == request.next.pushes;
}

bool makes_sense(const wire::LedgerState& ledger) {
  const wire::LedgerReply& counts = ledger.counts;
  return check(ledger.gate).ok() && ledger.floor >= 0 && ledger.floor <= kMostWindows &&
         ledger.stepped >= 0 && ledger.stepped <= kMostWindows && counts.version >= 0 &&
         counts.version <= kMostVersions && counts.superseded >= 0 && counts.duplicates >= 0 &&
         counts.fenced >= 0 && counts.staleness_max >= 0;
}

bool makes_sense(const wire::ShardState& state, int shard, const wire::ShardState& first) {
  const auto is_count = [](int64_t n) { return n >= 0 && n <= kMostVersions; };
  return state.shard == shard && is_count(state.values_version) && is_count(state.kept) &&
         is_count(state.steps) && is_count(state.averaged_steps) &&
         state.averages == first.averages && state.rule_floats.size() == first.rule_floats.size() &&
         std::ranges::all_of(state.rule_numbers, [](double its) { return std::isfinite(its); });
}

// What `next` says besides the map that it goes on from.
Status check_take(const wire::MoveRequest& request) {
  SLUICE_RETURN_IF_ERROR(check(request.next));
  SLUICE_RETURN_IF_ERROR(request.from.validate());
  const auto shards = std::ssize(request.shards);
  const bool sensible = request.next.job == request.job &&
                        request.next.revision == request.revision &&
                        request.from.parameters() == request.next.shard_map.parameters() &&
                        std::ssize(request.servers) >= request.from.servers() &&
                        shards == request.from.size() && makes_sense(request.ledger);
  for (int i = 0; sensible && i < request.from.size(); ++i) {
    if (makes_sense(request.shards[static_cast<size_t>(i)], i, request.shards.front())) continue;
    return invalid_argument(fmt::format("what is said of shard {} makes no sense", i));
  }
  if (sensible) return ok_status();
  return invalid_argument(fmt::format("{} shards of {} parameters cannot become {} of {}", shards,
                                      request.from.parameters(), request.next.shard_map.size(),
                                      request.next.shard_map.parameters()));
}

}  // namespace

ParameterServer::ParameterServer(core::World& world, int threads, wire::BufferSource buffers,
                                 Connect connect)
    : world_(world),
      crew_(std::make_unique<Crew>(world, threads - 1)),
      buffers_(std::move(buffers)),
      connect_(std::move(connect)) {}

ParameterServer::~ParameterServer() {
  let_go(std::exchange(taker_, nullptr));
  if (takers_end_) takers_end_->close();
  for (HeldCreate& held : held_) held.reply(cancelled("the server ends without having had a job"));
}

void ParameterServer::serve_job(uint64_t job) {
  std::vector<HeldCreate> held;
  std::shared_ptr<JobStore> given_up;  // freed after the lock
  std::shared_ptr<StateTaker> taker;
  {
    std::lock_guard lock(mutex_);
    expects_another_ = false;
    held.swap(held_);
    if (serving_ != job) {
      given_up.swap(job_);
      taker = std::exchange(taker_, nullptr);
      next_ = nullptr;
      taking_ = switched_ = called_off_ = 0;
    }
    serving_ = job;
  }
  let_go(std::move(taker));
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
  const auto job = guarded("assign", [&] { return find(request.job); });
  if (!job.ok()) return reply(job.status());
  (*job)->assign(request.shards, std::move(values), std::move(reply));
}

void ParameterServer::exchange(const wire::PushHeader& header, wire::ReceivedPayload update,
                               core::Reply<Result<wire::ExchangeReply>> reply) {
  const auto job = guarded("exchange", [&] { return find(header.job); });
  if (!job.ok()) return reply(job.status());
  (*job)->exchange(header, std::move(update), std::move(reply));
}

void ParameterServer::pull(const wire::PullRequest& request,
                           core::Reply<Result<wire::PullReply>> reply) {
  reply(guarded("pull", [&]() -> Result<wire::PullReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    if (request.worker >= kMostWorkers) {
      return invalid_argument(fmt::format("worker {} makes no sense", request.worker));
    }
    return job->pull(request);
  }));
}

void ParameterServer::fence(const wire::FenceRequest& request,
                            core::Reply<Result<wire::FenceReply>> reply) {
  const auto job = guarded("fence", [&]() -> Result<std::shared_ptr<JobStore>> {
    SLUICE_RETURN_IF_ERROR(check(request.gate));
    return find(request.job);
  });
  if (!job.ok()) return reply(job.status());
  (*job)->fence(request, std::move(reply));
}

void ParameterServer::ledger(const wire::LedgerRequest& request,
                             core::Reply<Result<wire::LedgerReply>> reply) {
  reply(guarded("ledger", [&]() -> Result<wire::LedgerReply> {
    SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
    wire::LedgerReply result = job->ledger(request.partitions);
    result.peak_memory_bytes = world_.peak_memory_bytes();
    return result;
  }));
}

void ParameterServer::set_gate(const wire::GateRequest& request, core::Reply<Status> reply) {
  const auto job = guarded("set_gate", [&]() -> Result<std::shared_ptr<JobStore>> {
    SLUICE_RETURN_IF_ERROR(check(request.gate));
    return find(request.job);
  });
  if (!job.ok()) return reply(job.status());
  (*job)->set_gate(request, std::move(reply));
}

void ParameterServer::ping(uint64_t job, core::Reply<Result<wire::PingReply>> reply) {
  reply(guarded("ping", [&]() -> Result<wire::PingReply> {
    std::shared_ptr<JobStore> present;
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(works_for(job));
      present = job_;
    }
    return wire::PingReply{present ? present->waiting_for() : ""};
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
  // One that had come for a move which was called off has had no values.
  const bool anew = job_ && !job_->has_values() && request.revision > job_->request().revision;
  if (job_ && !anew && !same_job(job_->request(), request)) {
    return {StatusCode::kAlreadyExists,
            fmt::format("job {} has been created with other shards, pushes or another update rule; "
                        "give the new job another number",
                        request.job)};
  }
  if (job_ && !anew) return ok_status();
  job_ = std::make_shared<JobStore>(request, JobRules::of(request), make_pool(request, buffers_),
                                    world_, *crew_);
  SLUICE_LOG(info, "keeps {} of the job's {} shard(s), of {} parameters in all", job_->shards(),
             request.shard_map.size(), request.shard_map.parameters());
  return ok_status();
}

// --- Shards that move ---

void ParameterServer::move(const wire::MoveRequest& request,
                           core::Reply<Result<wire::MoveReply>> reply) {
  using wire::MoveStep;
  if (request.revision <= 0) return reply(invalid_argument("a move to a map that is no next one"));
  if (request.step == MoveStep::kTake) return take(request, std::move(reply));
  if (request.step == MoveStep::kFreeze) {
    const auto job = guarded("freeze", [&] { return find(request.job); });
    if (!job.ok()) return reply(job.status());
    return (*job)->freeze(request.revision, std::move(reply));
  }
  reply(guarded("move", [&]() -> Result<wire::MoveReply> {
    if (request.step == MoveStep::kCommit) {
      SLUICE_ASSIGN_OR_RETURN(const auto job, find(request.job));
      return job->commit(request.revision, request.commits);
    }
    {
      std::lock_guard lock(mutex_);
      SLUICE_RETURN_IF_ERROR(works_for(request.job));
    }
    SLUICE_RETURN_IF_ERROR(request.step == MoveStep::kSwitch ? switch_to(request.revision)
                                                             : thaw(request.revision));
    return wire::MoveReply();
  }));
}

// Asked again, it goes on; when it has failed, it begins anew.
void ParameterServer::take(const wire::MoveRequest& request,
                           core::Reply<Result<wire::MoveReply>> reply) {
  std::shared_ptr<StateTaker> taker, before;
  bool is_new = false;
  const Status status = guarded("take", [&]() -> Status {
    SLUICE_RETURN_IF_ERROR(check_take(request));
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(works_for(request.job));
    if (!connect_) return {StatusCode::kUnimplemented, "this server takes no shards"};
    if (request.revision <= std::max(switched_, called_off_) || request.revision < taking_) {
      return failed_precondition("the shards are on their way to other servers");
    }
    is_new = taking_ != request.revision || !taker_ || taker_->has_failed();
    if (is_new) {
      if (!takers_end_) takers_end_ = world_.make_strand("takers");
      const bool has_some = job_ && request.server >= 0 && job_->has_values();
      if (has_some && !goes_on_from(job_->request(), request)) {
        return invalid_argument("the shards of this server are not those that a move begins with");
      }
      before = std::exchange(
          taker_, std::make_shared<StateTaker>(request, has_some ? job_ : nullptr, connect_));
      next_ = nullptr;
      taking_ = request.revision;
    }
    taker = taker_;
    return ok_status();
  });
  let_go(std::move(before));
  if (!status.ok()) return reply(status);
  taker->wait([reply = std::move(reply)](const Status& ended) mutable {
    reply(ended.ok() ? Result<wire::MoveReply>(wire::MoveReply()) : ended);
  });
  if (is_new) {
    taker->start([this, request, its = taker.get()] {
      return guarded("take", [&] { return taken(request, *its); });
    });
  }
  let_go(std::move(taker));  // it may have been given up meanwhile
}

void ParameterServer::let_go(std::shared_ptr<StateTaker> taker) {
  if (taker) takers_end_->post([taker = std::move(taker)]() mutable { taker = nullptr; });
}

// All that the shards consist of is here.
Status ParameterServer::taken(const wire::MoveRequest& request, const StateTaker& taker) {
  const auto store = std::make_shared<JobStore>(request.next, JobRules::of(request.next),
                                                make_pool(request.next, buffers_), world_, *crew_);
  SLUICE_RETURN_IF_ERROR(taker.give_to(*store));
  std::lock_guard lock(mutex_);
  if (taker_.get() != &taker) return cancelled("the shards stay where they are");
  next_ = store;
  return ok_status();
}

// Where nothing was taken, nothing is left.
Status ParameterServer::switch_to(int64_t revision) {
  std::shared_ptr<JobStore> before;
  std::shared_ptr<StateTaker> taker;
  {
    std::lock_guard lock(mutex_);
    if (revision <= switched_) return ok_status();
    const bool gives = job_ && job_->has_values();
    if ((taking_ == revision && !next_) || (gives && !job_->stands_still_for(revision))) {
      return failed_precondition("the server has not taken its shards yet, or not given them");
    }
    before = std::exchange(job_, std::exchange(next_, nullptr));
    taker = std::exchange(taker_, nullptr);
    switched_ = revision;
    if (job_) {
      SLUICE_LOG(info, "keeps {} of the job's {} shard(s) by now", job_->shards(),
                 job_->request().shard_map.size());
    } else {
      SLUICE_LOG(info, "has given all its shards to other servers");
    }
  }
  let_go(std::move(taker));
  if (before) before->close();
  return ok_status();
}

Status ParameterServer::thaw(int64_t revision) {
  std::shared_ptr<JobStore> job, next;
  std::shared_ptr<StateTaker> taker;
  {
    std::lock_guard lock(mutex_);
    if (revision <= switched_) return failed_precondition("the shards have moved already");
    called_off_ = std::max(called_off_, revision);  // what comes late has no effect
    next = std::exchange(next_, nullptr);
    taker = std::exchange(taker_, nullptr);
    job = job_;
  }
  let_go(std::move(taker));
  if (job) job->thaw(revision);
  return ok_status();
}

Status ParameterServer::works_for(uint64_t job) const {
  if (!serving_) return failed_precondition("this server has not joined a job yet");
  if (*serving_ == job) return ok_status();
  return failed_precondition(
      fmt::format("this server works for job {}, not for job {}", *serving_, job));
}

Result<std::shared_ptr<JobStore>> ParameterServer::find(uint64_t job) const {
  std::lock_guard lock(mutex_);
  SLUICE_RETURN_IF_ERROR(works_for(job));
  if (job_) return job_;
  if (switched_ > 0) {
    return Status(wire::kMoved, "this server has given all its shards to others");
  }
  return failed_precondition(fmt::format("job {} has not been created at this server yet", job));
}

}  // namespace sluice::server
