// Driver's answers to people: how the job is getting on, and what they want changed.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/version.h"
#include "driver/driver.h"
#include "driver/job_status.h"
#include "driver/knobs.h"

namespace sluice::driver {
namespace {

JobStatus::Server status_of(const wire::LedgerReply& ledger) {
  JobStatus::Server server;
  server.shards = std::ssize(ledger.shards);
  server.update_seconds = ledger.update_seconds;
  double staleness = 0;
  int64_t versions = 0;
  for (const auto& shard : ledger.shards) {
    const bool first = &shard == &ledger.shards.front();
    server.version_min = first ? shard.version : std::min(server.version_min, shard.version);
    server.version_max = std::max(server.version_max, shard.version);
    server.duplicates += shard.duplicates;
    server.fenced += shard.fenced;
    server.staleness_max = std::max(server.staleness_max, shard.staleness_max);
    staleness += shard.staleness_sum;
    versions += shard.version;
  }
  if (versions > 0) server.staleness_mean = staleness / static_cast<double>(versions);
  return server;
}

}  // namespace

// --- Status ---

void Driver::status(const wire::StatusRequest&, core::Reply<Result<wire::StatusReply>> reply) {
  strand_->post([this, reply = std::move(reply)]() mutable {
    reply(wire::StatusReply{to_json(job_status())});
  });
}

JobStatus Driver::job_status() const {
  const core::TimePoint now = world_.now();
  const wire::TrainingSpec& training = options_.training;
  JobStatus status;
  status.version = core::version();
  JobStatus::Job& job = status.job;
  job.number = fmt::format("{:016x}", job_);
  job.dataset = options_.dataset;
  job.model = options_.model;
  job.trainer = training.trainer.name();
  job.optimizer = training.optimizer.name;
  job.host = world_.process().host;
  job.pid = world_.process().pid;
  job.parameters = std::ssize(*parameters_);
  job.records = records_->info().records;
  job.epochs = training.epochs;
  job.batch_size = training.batch_size;
  job.partitions = training.partitions;
  job.running_s = core::to_seconds(now - started_);
  if (training_since_) job.training_s = core::to_seconds(now - *training_since_);
  job.total_samples = job.records * job.epochs;
  for (const int64_t pushes : options_.pushes) job.total_updates += pushes;
  coordinator_.add_status(status, now);
  add_lengths(status);
  add_ledgers(status);
  for (const Knob& knob : knobs()) {
    status.knobs.push_back({knob.name, knob.now(training, coordinator_.knobs()), knob.help});
  }
  for (const auto& [at, change] : changes_) {
    status.changes.push_back(
        {change.knob, change.from, change.to, change.by, core::to_seconds(now - at)});
  }
  return status;
}

// What a lease is of, which the coordinator does not know.
void Driver::add_lengths(JobStatus& status) const {
  const wire::TrainingSpec& training = options_.training;
  for (JobStatus::Lease& lease : status.leases) {
    lease.pushes = options_.pushes[static_cast<size_t>(lease.partition)];
    const int64_t records = partitioning_.size(lease.partition);
    lease.steps = training.epochs * ((records + training.batch_size - 1) / training.batch_size);
  }
}

void Driver::add_ledgers(JobStatus& status) const {
  for (size_t i = 0; i < ledgers_.size(); ++i) {
    JobStatus::Server server = status_of(ledgers_[i]);
    server.server = static_cast<int64_t>(i);
    if (channels_[i]) server.address = channels_[i]->address();
    status.servers.push_back(std::move(server));
  }
  if (ledgers_.empty()) return;
  for (const wire::EpochMetrics& epoch : ledgers_.front().epochs) {
    const double samples = static_cast<double>(std::max<int64_t>(epoch.samples, 1));
    status.epochs.push_back(
        {epoch.epoch + 1, epoch.samples, status.job.records, epoch.loss_sum / samples});
    status.job.samples += epoch.samples;
  }
  status.job.updates = updates();
  const auto rates = rates_.rates();
  status.rates = {rates_.seconds(), rates[0], rates[1], rates[2]};
}

int64_t Driver::updates() const {
  for (const auto& shard : ledgers_.front().shards) {
    if (shard.shard == wire::ShardMap::kLedgerShard) return shard.version;
  }
  return 0;
}

// Floats that were applied, of all shards.
double Driver::pushed_bytes() const {
  double bytes = 0;
  for (const wire::LedgerReply& ledger : ledgers_) {
    for (const auto& shard : ledger.shards) {
      if (shard.shard < 0 || shard.shard >= shard_map_.size()) continue;
      bytes += static_cast<double>(shard.version) *
               static_cast<double>(shard_map_[shard.shard].size * sizeof(float));
    }
  }
  return bytes;
}

// --- Commands ---

void Driver::command(const wire::CommandRequest& request,
                     core::Reply<Result<wire::CommandReply>> reply) {
  strand_->post([this, request, reply = std::move(reply)]() mutable {
    const Result<std::string> said = obey(request);
    reply(said.ok() ? Result<wire::CommandReply>(wire::CommandReply{*said}) : said.status());
    changed();
  });
}

Result<std::string> Driver::obey(const wire::CommandRequest& request) {
  const auto& arguments = request.arguments;
  const std::string by = "sluice ctl (" + core::to_text(request.process) + ")";
  const size_t expected = request.verb == "set" ? 2 : 0;
  if (request.verb != "stop" && request.verb != "pause" && request.verb != "resume" &&
      request.verb != "set") {
    return invalid_argument(fmt::format(
        "\"{}\" is nothing that this driver does: it can stop, pause, resume, set", request.verb));
  }
  if (arguments.size() != expected) {
    return invalid_argument(fmt::format("{}: expected {} argument(s), got {}", request.verb,
                                        expected, arguments.size()));
  }
  const bool ends = stage_ == Stage::kCollecting || stage_ == Stage::kEnding ||
                    stage_ == Stage::kEnded || coordinator_.over();
  if (request.verb == "stop") return obey_stop(by, ends);
  if (ends || !stopping_.empty()) {
    return failed_precondition("the job is about to end: nothing is changed any more");
  }
  if (request.verb == "set") return obey_set(arguments[0], arguments[1], by);
  return obey_pause(request.verb == "pause", by);
}

Result<std::string> Driver::obey_stop(const std::string& by, bool ends) {
  if (ends) return std::string("the job is about to end by itself");
  const std::string reason = "the driver was stopped by " + by;
  if (may_keep()) {
    stop_and_keep(reason);
    return std::string("stopping: the workers end what they push, and what was learned is saved");
  }
  fail(cancelled(reason));
  return std::string(options_.keep_when_stopped
                         ? "stopping: nothing was learned yet"
                         : "stopping: the job was started without --save and --report");
}

Result<std::string> Driver::obey_set(const std::string& name, const std::string& value,
                                     const std::string& by) {
  SLUICE_ASSIGN_OR_RETURN(const Knob* knob, find_knob(name));
  wire::Knobs wanted = coordinator_.knobs();
  const std::string before = knob->now(options_.training, wanted);
  SLUICE_RETURN_IF_ERROR(knob->set(options_.training, value, wanted));
  const std::string after = knob->now(options_.training, wanted);
  if (after == before) return fmt::format("{} is {} already", name, before);
  turn(wanted, {name, before, after, by});
  return fmt::format("{}: {}, before {}; in force at each worker within one window", name, after,
                     before);
}

Result<std::string> Driver::obey_pause(bool paused, const std::string& by) {
  wire::Knobs wanted = coordinator_.knobs();
  if (wanted.paused == paused) {
    return std::string(paused ? "the job is paused already" : "the job is not paused");
  }
  wanted.paused = paused;
  turn(wanted, {kPaused, paused ? "no" : "yes", paused ? "yes" : "no", by});
  return std::string(paused ? "paused: each worker pushes the window that it is at, and waits then"
                            : "resumed");
}

void Driver::turn(wire::Knobs wanted, JobChanged change) {
  ++wanted.revision;
  const core::TimePoint now = world_.now();
  coordinator_.set_knobs(wanted, now);
  changes_.emplace_back(now, change);
  observer_.on_event({now, std::move(change)});
}

}  // namespace sluice::driver
