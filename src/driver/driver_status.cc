// Driver's answers to people who ask how the job is getting on.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/version.h"
#include "driver/driver.h"
#include "driver/job_status.h"
#include "driver/knobs.h"

namespace sluice::driver {
namespace {

JobStatus::Server status_of(const wire::LedgerReply& ledger) {
  JobStatus::Server server;
  server.shards = ledger.shards;
  server.version = ledger.version;
  server.duplicates = ledger.duplicates;
  server.fenced = ledger.fenced;
  server.staleness_max = ledger.staleness_max;
  server.update_seconds = ledger.update_seconds;
  const int64_t applied = ledger.version - ledger.superseded;
  if (applied > 0) server.staleness_mean = ledger.staleness_sum / static_cast<double>(applied);
  return server;
}

// "worker 3": those that others wait for.
std::string slowest_of(const JobStatus::Gate& gate) {
  const bool held = std::ranges::any_of(
      gate.workers, [](const auto& worker) { return worker.answer_held_s >= 0; });
  if (!held) return "";
  std::vector<int64_t> slowest;
  for (const JobStatus::Gate::Worker& worker : gate.workers) {
    const bool waited_for = worker.windows >= 0 && worker.windows <= gate.floor;
    if (waited_for && worker.answer_held_s < 0) slowest.push_back(worker.worker);
  }
  if (slowest.empty()) return "";
  return fmt::format("{} {}", slowest.size() == 1 ? "worker" : "workers", fmt::join(slowest, ", "));
}

}  // namespace

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
  // What people have stopped has not failed.
  if (job.phase == "failed" && failure_.code() == StatusCode::kCancelled) job.phase = "stopped";
  add_ledgers(status);
  add_gate(status);
  add_gain(status);
  for (const Knob& knob : knobs()) {
    status.knobs.push_back({knob.name, knob.now(training, coordinator_.knobs()), knob.help});
  }
  for (const auto& [at, change] : changes_) {
    status.changes.push_back(
        {change.knob, change.from, change.to, change.by, core::to_seconds(now - at)});
  }
  for (const auto& [at, change] : moves_) {
    status.moves.push_back(
        {change.from, change.to, change.bytes, change.held_s, core::to_seconds(now - at)});
  }
  return status;
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

// As the ledger server knows it; how long answers have been held, as all do.
void Driver::add_gate(JobStatus& status) const {
  const algorithm::Choice& trainer = options_.training.trainer;
  JobStatus::Gate& gate = status.gate;
  gate.max_staleness = coordinator_.knobs().max_staleness;
  gate.rounds = trainer.algorithm->rounds;
  if (trainer.options.has("backup_workers")) {
    gate.backup_workers = trainer.options.whole("backup_workers");
  }
  if (ledgers_.empty()) return;
  const wire::LedgerReply& ledger = ledgers_.front();
  gate.floor = ledger.floor;
  gate.superseded = ledger.superseded;
  for (const auto& trainee : ledger.trainees) {
    gate.workers.push_back({trainee.worker, trainee.clock, trainee.held_s});
  }
  std::ranges::sort(gate.workers, {}, &JobStatus::Gate::Worker::worker);
  for (const wire::LedgerReply& other : ledgers_) {
    for (const auto& trainee : other.trainees) {
      const auto known =
          std::ranges::find(gate.workers, trainee.worker, &JobStatus::Gate::Worker::worker);
      if (known == gate.workers.end()) continue;
      known->answer_held_s = std::max(known->answer_held_s, trainee.held_s);
    }
  }
  gate.slowest = slowest_of(gate);
}

void Driver::add_gain(JobStatus& status) const {
  const algorithm::Gain gain = options_.training.trainer.gain();
  const auto workers = static_cast<int>(coordinator_.gate().trainees.size());
  status.gain = {gain.per_worker, workers, gain.of(workers), gain.bounded, gain.scale(workers)};
}

}  // namespace sluice::driver
