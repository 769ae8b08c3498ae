#include "driver/driver.h"

#include <algorithm>
#include <thread>

#include "core/log.h"
#include "core/process_info.h"
#include "core/rng.h"

namespace sluice::driver {
namespace {

constexpr core::Duration kTick = std::chrono::milliseconds(50);
constexpr int kTicksPerLedger = 4;
constexpr core::Duration kControlCall = std::chrono::seconds(10);
// How long the end may take: a person who has pressed Ctrl-C waits for it.
constexpr core::Duration kGoodbye = std::chrono::milliseconds(300);
constexpr core::Duration kLeaving = std::chrono::milliseconds(500);

core::TimePoint now() { return std::chrono::steady_clock::now(); }

data::Shuffle shuffle_of(const wire::TrainingSpec& spec) {
  return spec.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone;
}

CoordinatorOptions coordinator_options(const DriverOptions& options, uint64_t job,
                                       const data::Partitioning& partitioning) {
  CoordinatorOptions result;
  result.job = job;
  result.servers = options.servers;
  result.job_spec = wire::to_json(options.training);
  result.lease_timeout = options.lease_timeout;
  result.idle_timeout = options.idle_timeout;
  for (int64_t p = 0; p < partitioning.partitions(); ++p) {
    result.partition_records.push_back(partitioning.size(p));
  }
  return result;
}

}  // namespace

Driver::Driver(DriverOptions options, std::shared_ptr<const data::Records> records,
               std::span<const float> parameters, wire::Transport& transport, JobObserver& observer)
    : options_(std::move(options)),
      job_(core::unique_number()),
      records_(std::move(records)),
      partitioning_(records_->info().records, options_.training.partitions, options_.training.seed,
                    shuffle_of(options_.training)),
      parameters_(parameters.size()),
      transport_(transport),
      observer_(observer),
      started_(now()),
      last_tick_(started_),
      coordinator_(coordinator_options(options_, job_, partitioning_), started_) {
  std::copy(parameters.begin(), parameters.end(), parameters_.span().begin());
  // Refuses what cannot be cut before anybody has joined.
  (void)wire::ShardMap::even(parameters_.size(), options_.shards, options_.servers);
}

Result<JobResult> Driver::run(const std::atomic<bool>& stop) {
  const Status trained = train(stop);
  if (!trained.ok()) {
    abort(trained.message());
    shut_down_servers("the job was aborted: " + trained.message());
    wait_for_members_to_leave(stop.load() ? kLeaving : 3 * kLeaving);
    return trained;
  }
  training_time_ = now() - started_;
  Result<JobResult> result = collect(stop);
  if (!result.ok()) {
    std::lock_guard lock(mutex_);
    coordinator_.fail(result.status().message());
  }
  shut_down_servers(result.ok() ? "the job is done"
                                : "the job failed: " + result.status().message());
  wait_for_members_to_leave(std::chrono::seconds(5));
  if (result.ok()) fill_members(*result);
  return result;
}

Status Driver::train(const std::atomic<bool>& stop) {
  SLUICE_RETURN_IF_ERROR(wait_for_servers(stop));
  SLUICE_RETURN_IF_ERROR(distribute_parameters(stop));
  for (int ticks = 1;; ++ticks) {
    // Before the tick: local workers that the same signal ended are not to be replaced.
    if (stop.load()) return cancelled("stopped by a signal");
    tick();
    {
      std::lock_guard lock(mutex_);
      if (coordinator_.phase() == Phase::kDone) return ok_status();
      if (coordinator_.phase() == Phase::kAborted)
        return {StatusCode::kAborted, coordinator_.abort_reason()};
    }
    if (ticks % kTicksPerLedger == 0) {
      // Short, since nobody is watched meanwhile.
      const Status read = read_ledgers(
          std::min<core::Duration>(std::chrono::seconds(1), options_.lease_timeout / 8));
      if (read.ok()) {
        report_epochs();
        observer_.on_progress(progress());
      } else {
        SLUICE_LOG(warn, "no progress to show: {}", read.message());
      }
    }
    std::this_thread::sleep_for(kTick);
  }
}

void Driver::tick() {
  std::vector<std::string> notices;
  const core::TimePoint time = now();
  const core::Duration gap = time - std::exchange(last_tick_, time);
  {
    std::lock_guard lock(mutex_);
    if (gap > options_.lease_timeout / 2) coordinator_.excuse(gap, time);
    coordinator_.tick(time);
    notices = coordinator_.take_notices();
  }
  for (const std::string& line : notices) observer_.on_notice(line);
  observer_.on_tick();
}

Status Driver::wait_for_servers(const std::atomic<bool>& stop) {
  for (int ticks = 1;; ++ticks) {
    if (stop.load()) return cancelled("stopped by a signal");
    tick();
    {
      std::lock_guard lock(mutex_);
      if (coordinator_.servers_ready()) return ok_status();
      if (coordinator_.phase() == Phase::kAborted)
        return {StatusCode::kAborted, coordinator_.abort_reason()};
    }
    if (ticks % kTicksPerLedger == 0) observer_.on_progress(progress());
    std::this_thread::sleep_for(kTick / 5);
  }
}

Status Driver::distribute_parameters(const std::atomic<bool>& stop) {
  std::vector<std::string> addresses;
  {
    std::lock_guard lock(mutex_);
    if (coordinator_.phase() == Phase::kAborted) {
      return {StatusCode::kAborted, coordinator_.abort_reason()};
    }
    addresses = coordinator_.server_addresses();
  }
  const auto map = wire::ShardMap::even(parameters_.size(), options_.shards, options_.servers);
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels;
  for (int server = 0; server < options_.servers; ++server) {
    channels.push_back(transport_.connect_parameters(addresses[static_cast<size_t>(server)]));
    SLUICE_RETURN_IF_ERROR(persist(stop, [&] {
      return channels.back()->create({job_, map, server, options_.update_rule}, {kControlCall});
    }));
  }
  // parameters_ outlives every call: it is a member, and run() ends after the last one.
  const std::shared_ptr<const void> owner(std::shared_ptr<const void>(), parameters_.data());
  for (const wire::Shard& shard : map.shards()) {
    const wire::Payload values{owner, parameters_.span().subspan(shard.offset, shard.size)};
    SLUICE_RETURN_IF_ERROR(persist(stop, [&] {
      return channels[static_cast<size_t>(shard.server)]->assign({job_, shard.index}, values,
                                                                 {kControlCall});
    }));
  }
  ledgers_.resize(channels.size());
  wire::ParameterClientOptions client;
  client.give_up_after = options_.training.server_timeout;
  client_ = std::make_unique<wire::ParameterClient>(
      transport_, job_, map, addresses, client, [&stop] { return stop.load(); },
      [](const std::string& whom) {
        if (!whom.empty()) SLUICE_LOG(warn, "waiting for a parameter server: {}", whom);
      });
  std::lock_guard lock(mutex_);
  channels_ = std::move(channels);
  coordinator_.start_training(map, now());
  return ok_status();
}

// Repeats a call to a server that may be repeated, until the server has been silent for too long.
// Members are watched between the attempts, so a server's death ends it.
Status Driver::persist(const std::atomic<bool>& stop, const std::function<Status()>& call) {
  const core::TimePoint give_up = now() + options_.training.server_timeout;
  for (;;) {
    const Status status = call();
    const bool may_pass =
        status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDeadlineExceeded;
    if (!may_pass || now() >= give_up) return status;
    SLUICE_LOG(warn, "waiting for a parameter server: {}", status.message());
    if (stop.load()) return cancelled("stopped by a signal");
    tick();
    {
      std::lock_guard lock(mutex_);
      if (coordinator_.phase() == Phase::kAborted) {
        return {StatusCode::kAborted, coordinator_.abort_reason()};
      }
    }
    std::this_thread::sleep_for(kTick);
  }
}

Status Driver::read_ledgers(core::Duration timeout) {
  for (size_t server = 0; server < channels_.size(); ++server) {
    SLUICE_ASSIGN_OR_RETURN(ledgers_[server], channels_[server]->ledger(job_, {timeout}));
  }
  return ok_status();
}

void Driver::report_epochs() {
  const auto& epochs = ledgers_.front().epochs;  // shard 0 is server 0's
  while (epochs_reported_ < static_cast<int>(epochs.size()) &&
         epochs[static_cast<size_t>(epochs_reported_)].samples == records_->info().records) {
    observer_.on_epoch_end(epochs_reported_, epochs[static_cast<size_t>(epochs_reported_)],
                           [this](std::span<float> into) { return client_->pull(into); });
    ++epochs_reported_;
  }
}

JobProgress Driver::progress() {
  JobProgress progress;
  progress.elapsed_s = core::to_seconds(now() - started_);
  progress.total_samples = records_->info().records * options_.training.epochs;
  if (!ledgers_.empty()) {
    progress.epochs = ledgers_.front().epochs;
    for (const auto& epoch : progress.epochs) progress.samples += epoch.samples;
    for (const auto& shard : ledgers_.front().shards) {
      if (shard.shard == 0) progress.updates = shard.version;
    }
  }
  std::lock_guard lock(mutex_);
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.role != wire::Role::kWorker || !member.alive) continue;
    progress.workers.push_back(
        {member.index, true, member.partition, member.step, member.waiting_for});
  }
  progress.waiting_for = coordinator_.waiting_for();
  return progress;
}

Result<JobResult> Driver::collect(const std::atomic<bool>& stop) {
  SLUICE_RETURN_IF_ERROR(client_->pull(parameters_.span()));
  SLUICE_RETURN_IF_ERROR(persist(stop, [this] { return read_ledgers(kControlCall); }));
  report_epochs();
  observer_.on_progress(progress());
  JobResult result;
  result.training_time_s = core::to_seconds(training_time_);
  result.epochs = ledgers_.front().epochs;
  for (const auto& epoch : result.epochs) result.samples_trained += epoch.samples;
  double staleness = 0;
  int64_t applied = 0;
  int64_t fewest = -1;
  for (const wire::LedgerReply& ledger : ledgers_) {
    for (const auto& shard : ledger.shards) {
      fewest = fewest < 0 ? shard.version : std::min(fewest, shard.version);
      result.duplicate_pushes += shard.duplicates;
      result.fenced_pushes += shard.fenced;
      result.staleness_max = std::max(result.staleness_max, shard.staleness_max);
      staleness += shard.staleness_sum;
      applied += shard.version;
    }
  }
  result.server_updates = std::max<int64_t>(fewest, 0);
  result.staleness_mean = applied == 0 ? 0 : staleness / static_cast<double>(applied);
  result.parameters = core::AlignedBuffer(parameters_.size());
  std::copy(parameters_.span().begin(), parameters_.span().end(), result.parameters.span().begin());
  const int64_t expected = records_->info().records * options_.training.epochs;
  if (result.samples_trained != expected) {
    return internal_error("the servers count " + std::to_string(result.samples_trained) +
                          " samples, the job has " + std::to_string(expected) +
                          ": this is a bug in Sluice, please report it with the log");
  }
  return result;
}

void Driver::fill_members(JobResult& result) {
  for (size_t server = 0; server < ledgers_.size(); ++server) {
    const wire::LedgerReply& ledger = ledgers_[server];
    result.servers.push_back({channels_[server]->address(), static_cast<int>(ledger.shards.size()),
                              ledger.update_seconds, ledger.peak_memory_bytes});
  }
  std::map<int, WorkerReport> workers;
  std::lock_guard lock(mutex_);
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.role != wire::Role::kWorker) continue;
    WorkerReport& report = workers[member.index];
    report.leases += member.leases;
    report.peak_memory_bytes = std::max(report.peak_memory_bytes, member.peak_memory_bytes);
    report.processes.push_back("pid " + std::to_string(member.pid) + " on " + member.host + ": " +
                               (member.alive ? "still there" : member.fate));
  }
  for (const wire::WorkerCount& count : ledgers_.front().workers) {
    workers[count.worker].updates = count.pushes;
    workers[count.worker].samples = count.samples;
  }
  for (auto& [index, report] : workers) {
    report.worker = index;
    result.workers.push_back(std::move(report));
  }
}

// All at once: one that is stopped or gone must not take the others' time.
void Driver::shut_down_servers(const std::string& reason) {
  std::vector<std::shared_ptr<wire::ParameterChannel>> channels = channels_;
  if (channels.empty()) {  // they have joined, but training has not begun
    std::lock_guard lock(mutex_);
    for (const std::string& address : coordinator_.server_addresses()) {
      if (!address.empty()) channels.push_back(transport_.connect_parameters(address));
    }
  }
  std::vector<std::thread> calls;
  for (const auto& channel : channels) {
    calls.emplace_back([&reason, channel] {
      const Status told = channel->shutdown(reason, {.timeout = kGoodbye});
      if (!told.ok()) SLUICE_LOG(debug, "telling a server to end: {}", told.message());
    });
  }
  for (std::thread& call : calls) call.join();
}

// Servers have been told and leave at once, or never.
void Driver::wait_for_members_to_leave(core::Duration at_most) {
  const core::TimePoint start = now();
  while (now() - start < at_most) {
    tick();
    {
      std::lock_guard lock(mutex_);
      const bool servers = coordinator_.live(wire::Role::kServer) > 0 && now() - start < kLeaving;
      if (coordinator_.live(wire::Role::kWorker) == 0 && !servers) return;
    }
    std::this_thread::sleep_for(kTick / 5);
  }
}

void Driver::process_ended(int64_t pid, const std::string& fate) {
  std::lock_guard lock(mutex_);
  coordinator_.process_ended(core::host_name(), pid, fate);
}

bool Driver::over() const {
  std::lock_guard lock(mutex_);
  return coordinator_.phase() == Phase::kDone || coordinator_.phase() == Phase::kAborted;
}

void Driver::abort(const std::string& reason) {
  std::lock_guard lock(mutex_);
  coordinator_.abort(reason);
}

}  // namespace sluice::driver
