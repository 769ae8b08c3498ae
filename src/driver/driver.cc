#include "driver/driver.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "core/log.h"

namespace sluice::driver {
namespace {

constexpr core::Duration kPollEvery = std::chrono::milliseconds(200);
constexpr core::Duration kPollCall = std::chrono::seconds(2);
// How long one address of a server is tried before the next one.
constexpr core::Duration kTryAddress = std::chrono::seconds(2);
// How long members may take to leave: after a good end, and when a person may be waiting.
constexpr core::Duration kLeaving = std::chrono::seconds(5);
constexpr core::Duration kLeavingSoon = std::chrono::milliseconds(1500);
// How long reading the parameters of a job that is stopped may take.
constexpr core::Duration kKeeping = std::chrono::seconds(5);

data::Shuffle shuffle_of(const wire::TrainingSpec& spec) {
  return spec.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone;
}

CoordinatorOptions coordinator_options(const DriverOptions& options, uint64_t job,
                                       const data::Partitioning& partitioning,
                                       const wire::ShardMap& shard_map) {
  CoordinatorOptions result;
  result.job = job;
  result.servers = options.servers;
  result.workers = options.workers;
  result.gather = options.gather;
  wire::TrainingSpec training = options.training;
  for (const wire::Shard& shard : shard_map.shards()) {
    training.largest_shard = std::max(training.largest_shard, static_cast<int64_t>(shard.size));
  }
  result.job_spec = wire::to_json(training);
  result.lease_timeout = options.lease_timeout;
  result.server_timeout = options.training.server_timeout;
  result.stall_timeout = options.stall_timeout;
  result.name_stalled_after = std::min(result.name_stalled_after, options.stall_timeout / 2);
  result.idle_timeout = options.idle_timeout;
  for (int64_t p = 0; p < partitioning.partitions(); ++p) {
    result.partition_records.push_back(partitioning.size(p));
  }
  return result;
}

DriverOptions checked(DriverOptions options) {
  if (static_cast<int64_t>(options.pushes.size()) != options.training.partitions) {
    throw std::invalid_argument("a driver must know the pushes of each of its " +
                                std::to_string(options.training.partitions) + " partitions");
  }
  return options;
}

Status miscounted(const std::string& what, int64_t counted, int64_t expected) {
  return internal_error("the servers count " + std::to_string(counted) + " " + what +
                        ", the job has " + std::to_string(expected) +
                        ": this is a bug in Sluice, please report it with the log");
}

}  // namespace

Driver::Driver(core::World& world, wire::Transport& transport, DriverOptions options,
               std::shared_ptr<const data::Records> records, std::span<const float> parameters,
               JobObserver& observer)
    : world_(world),
      transport_(transport),
      observer_(observer),
      options_(checked(std::move(options))),
      job_(world.unique_number()),
      records_(std::move(records)),
      partitioning_(records_->info().records, options_.training.partitions, options_.training.seed,
                    shuffle_of(options_.training)),
      shard_map_(wire::ShardMap::even(parameters.size(), options_.shards, options_.servers)),
      strand_(world.make_strand("driver")),
      record_server_(world, records_, partitioning_),
      coordinator_(coordinator_options(options_, job_, partitioning_, shard_map_), world.now()),
      parameters_(std::make_shared<core::AlignedBuffer>(parameters.size())),
      alarm_(strand_),
      poll_alarm_(strand_) {
  std::copy(parameters.begin(), parameters.end(), parameters_->span().begin());
}

Driver::~Driver() {
  strand_->close();
  client_.reset();
  const Status ended = cancelled("the driver has ended");
  while (auto held = heartbeats_.take_first()) held->reply(ended);
  while (auto held = acquires_.take_first()) held->reply(ended);
  for (auto& [number, grant] : grants_) grant.reply(ended);
  for (Pull& pull : pulls_) pull.reply(ended);
  for (Leaving& leaving : leaving_) leaving.reply(ended);
}

void Driver::start(core::UniqueFunction<void(Result<JobResult>)> done) {
  strand_->post([this, done = std::move(done)]() mutable {
    done_ = std::move(done);
    stage_ = Stage::kJoining;
    on_time();
  });
}

void Driver::stop(const std::string& reason) {
  strand_->post([this, reason] {
    if (may_keep()) {
      stop_and_keep(reason);
    } else {
      fail(cancelled(reason));
    }
    if (stage_ == Stage::kEnding) leave_by_ = std::min(leave_by_, world_.now() + kLeavingSoon);
    changed();
  });
}

void Driver::abort(const std::string& reason) {
  strand_->post([this, reason] {
    fail({StatusCode::kAborted, reason});
    changed();
  });
}

void Driver::process_ended(int64_t pid, const std::string& fate) {
  strand_->post([this, pid, fate] {
    coordinator_.process_ended(world_.process().host, pid, fate, world_.now());
    changed();
  });
}

// --- The course of the job ---

void Driver::on_time() {
  const core::TimePoint now = world_.now();
  coordinator_.tick(now);
  if (now >= stop_by_) stopped();
  release_held(now);
  changed();
}

// After every event.
void Driver::changed() {
  advance();
  answer_held();
  publish();
  if (may_end()) all_left();
  set_alarm();
}

// Whoever is still there after that long is left alone.
bool Driver::may_end() const {
  const bool all_gone =
      coordinator_.live(wire::Role::kWorker) == 0 && coordinator_.live(wire::Role::kServer) == 0;
  return stage_ == Stage::kEnding && (all_gone || world_.now() >= leave_by_);
}

void Driver::publish() {
  for (const JobEvent& event : coordinator_.take_events()) observer_.on_event(event);
}

void Driver::set_alarm() {
  core::TimePoint at = std::min({coordinator_.next_event(), next_release(), stop_by_});
  if (stage_ == Stage::kEnding) at = std::min(at, leave_by_);
  if (at == core::TimePoint::max() || stage_ == Stage::kNotStarted) return alarm_.clear();
  if (alarm_.is_set() && alarm_set_for_ <= at) return;  // too early does no harm
  alarm_set_for_ = at;
  alarm_.set(at, [this] { on_time(); });
}

void Driver::advance() {
  if (stage_ == Stage::kNotStarted || stage_ == Stage::kEnding || stage_ == Stage::kEnded) return;
  if (stage_ == Stage::kCollecting && !coordinator_.servers_ready()) fail(lost_server());
  if (coordinator_.phase() == Phase::kAborted) {
    if (failure_.ok()) failure_ = {StatusCode::kAborted, coordinator_.abort_reason()};
    if (!kept_) return end(failure_);
    JobResult result = result_from_ledgers();
    result.stopped = stopping_;
    return end(std::move(result));
  }
  if (stage_ == Stage::kJoining && coordinator_.servers_ready()) return set_up();
  if (stage_ == Stage::kTraining && coordinator_.phase() == Phase::kDone) collect();
}

Status Driver::lost_server() const {
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.name.role == wire::Role::kServer && member.end) {
      return {StatusCode::kAborted,
              member.name.to_string() + " " + member.end->fate + "; its parameters are gone"};
    }
  }
  return internal_error("a parameter server is missing");
}

void Driver::fail(const Status& why) {
  if (stage_ == Stage::kEnding || stage_ == Stage::kEnded) return;
  if (failure_.ok()) failure_ = why;
  const core::TimePoint now = world_.now();
  if (stage_ == Stage::kCollecting) {
    coordinator_.fail(why.message(), now);
  } else {
    coordinator_.abort(why.message(), now);
  }
}

// Every server is told which shards are its own, at the first of its addresses that is reached;
// then all get their values.
void Driver::set_up() {
  stage_ = Stage::kSettingUp;
  const auto servers = static_cast<size_t>(options_.servers);
  channels_.resize(servers);
  ledgers_.resize(servers);
  not_reached_.resize(servers);
  calls_left_ = options_.servers;
  for (int server = 0; server < options_.servers; ++server) create(server);
}

void Driver::create(int server) {
  std::vector<std::shared_ptr<wire::ParameterChannel>> candidates;
  for (const std::string& address : coordinator_.possible_addresses(server)) {
    candidates.push_back(transport_.connect_parameters(address));
  }
  std::string whom = "the parameter server at " + candidates.front()->address();
  client::RetryOptions retry{.give_up_after = options_.training.server_timeout};
  if (candidates.size() > 1) {
    whom += " or " + candidates.back()->address() + ", where it came from";
    retry.longest_attempt = kTryAddress;
  }
  const wire::CreateRequest request{job_, shard_map_, server, options_.update_rule,
                                    options_.pushes};
  creates_.push_back(std::make_unique<client::PersistentCall<Result<size_t>>>(world_, strand_));
  creates_.back()->start(
      whom, retry,
      [this, candidates, request, next = size_t{0}](const wire::CallOptions& call,
                                                    core::Reply<Result<size_t>> reply) mutable {
        const size_t tried = next++ % candidates.size();
        auto failed = lifetime_->on(strand_, [this, server = request.server](const Status& why) {
          not_reached_[static_cast<size_t>(server)] = why.message();
        });
        candidates[tried]->create(
            request, call, [tried, failed, reply = std::move(reply)](const Status& status) mutable {
              if (tried == 0 && !status.ok()) failed(status);
              reply(status.ok() ? Result<size_t>(tried) : Result<size_t>(status));
            });
      },
      [this, server, candidates](const Result<size_t>& found) {
        if (!found.ok()) {
          const bool elsewhere = !candidates.front()->address().starts_with("unix:");
          fail(elsewhere && client::may_pass(found.status().code())
                   ? unavailable(
                         found.status().message() +
                         "; start it with --advertise HOST:PORT that driver and workers reach")
                   : found.status());
        } else {
          created(server, candidates[*found]);
        }
        changed();
      });
}

void Driver::created(int server, std::shared_ptr<wire::ParameterChannel> channel) {
  const auto index = static_cast<size_t>(server);
  coordinator_.server_found(server, channel->address(), not_reached_[index], world_.now());
  channels_[index] = std::move(channel);
  if (--calls_left_ == 0 && stage_ == Stage::kSettingUp) assign();
}

void Driver::assign() {
  std::vector<std::string> addresses;
  for (const auto& channel : channels_) addresses.push_back(channel->address());
  client::ExchangeOptions exchange;
  exchange.give_up_after = options_.training.server_timeout;
  client_ = std::make_unique<client::ParameterClient>(
      world_, transport_, strand_, job_, shard_map_, addresses, exchange,
      [](const std::string& whom) {
        if (!whom.empty()) SLUICE_LOG(warn, "waiting for a parameter server: {}", whom);
      });
  client_->assign(parameters_, lifetime_->on(strand_, [this](const Status& assigned) {
    begin_training(assigned);
    changed();
  }));
}

void Driver::begin_training(const Status& assigned) {
  if (stage_ != Stage::kSettingUp) return;
  if (!assigned.ok()) return fail(assigned);
  stage_ = Stage::kTraining;
  coordinator_.start_training(shard_map_, world_.now());
  poll_ledgers();
}

// --- Progress ---

void Driver::poll_ledgers() {
  polls_left_ = options_.servers;
  poll_complete_ = true;
  for (size_t server = 0; server < channels_.size(); ++server) {
    channels_[server]->ledger(
        {job_, false}, {kPollCall},
        lifetime_->on(strand_, [this, server](Result<wire::LedgerReply> reply) {
          polled(server, std::move(reply));
        }));
  }
}

void Driver::polled(size_t server, Result<wire::LedgerReply> reply) {
  if (stage_ != Stage::kTraining) return;
  if (reply.ok()) {
    take_ledger(server, *std::move(reply));
  } else {
    // Who is silent for long is named by the coordinator.
    SLUICE_LOG(debug, "no progress to show: {}", reply.status().message());
    poll_complete_ = false;
  }
  if (--polls_left_ > 0) return;
  if (poll_complete_) report_progress();
  poll_alarm_.set(world_.now() + kPollEvery, [this] {
    if (stage_ == Stage::kTraining) poll_ledgers();
  });
}

void Driver::report_progress() {
  report_epochs();
  const core::TimePoint now = world_.now();
  Progress progress;
  progress.elapsed_s = core::to_seconds(now - training_since_.value_or(now));
  progress.total_samples = records_->info().records * options_.training.epochs;
  progress.epochs = ledgers_.front().epochs;
  for (const auto& epoch : progress.epochs) progress.samples += epoch.samples;
  for (const auto& shard : ledgers_.front().shards) {
    if (shard.shard == wire::ShardMap::kLedgerShard) progress.updates = shard.version;
  }
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.name.role != wire::Role::kWorker || !member.alive) continue;
    progress.workers.push_back(
        {member.name.index, member.partition, member.step, member.waiting_for});
  }
  observer_.on_event({now, std::move(progress)});
}

void Driver::take_ledger(size_t server, wire::LedgerReply ledger) {
  ledgers_[server] = std::move(ledger);
  if (server == 0) epochs_read_at_ = world_.now();  // the server of the ledger shard
}

// An epoch has ended when its last sample was counted, which is some time before it is read of.
void Driver::report_epochs() {
  const wire::LedgerReply& ledger = ledgers_.front();
  while (epochs_reported_ < ledger.epochs.size() &&
         ledger.epochs[epochs_reported_].samples == records_->info().records) {
    const size_t epoch = epochs_reported_++;
    const double age = epoch < ledger.epoch_ages_s.size() ? ledger.epoch_ages_s[epoch] : 0;
    const double known = core::to_seconds(epochs_read_at_ - last_epoch_end_);
    // The age comes from the network: whatever it is, time does not run backwards.
    last_epoch_end_ = epochs_read_at_ - core::from_seconds(age >= 0 ? std::min(age, known) : 0);
    observer_.on_event({last_epoch_end_, EpochEnded{ledger.epochs[epoch]}});
  }
}

// --- Pulls ---

void Driver::pull(std::span<float> into, core::Reply<Status> reply) {
  strand_->post([this, into, reply = std::move(reply)]() mutable {
    if (stage_ != Stage::kTraining && stage_ != Stage::kCollecting) {
      return reply(cancelled("the job is not training"));
    }
    pulls_.push_back({into, std::move(reply)});
    if (pulls_.size() == 1) next_pull();
  });
}

void Driver::next_pull() {
  client_->pull(pulls_.front().into, lifetime_->on(strand_, [this](const Status& status) {
    pulled(status);
    changed();
  }));
}

void Driver::pulled(const Status& status) {
  if (pulls_.empty()) return;  // the job has ended meanwhile
  Pull pull = std::move(pulls_.front());
  pulls_.erase(pulls_.begin());
  if (!pulls_.empty()) next_pull();
  pull.reply(status);
}

// --- The end ---

// Also when everything is trained: the result is about to be had.
bool Driver::may_keep() const {
  return options_.keep_when_stopped && (stage_ == Stage::kTraining || stage_ == Stage::kCollecting);
}

// Nobody is told before the parameters are here: the servers are needed for that.
void Driver::stop_and_keep(const std::string& reason) {
  if (!stopping_.empty()) return;
  stopping_ = reason;
  stop_by_ = world_.now() + kKeeping;
  if (stage_ == Stage::kCollecting) return;
  training_time_ = world_.now() - training_since_.value_or(world_.now());
  pulls_.push_back({parameters_->span(), [this](const Status& status) {
                      if (stage_ != Stage::kTraining) return;
                      kept_ = status.ok();
                      stopped();
                    }});
  if (pulls_.size() == 1) next_pull();
}

void Driver::stopped() {
  stop_by_ = core::TimePoint::max();
  fail(cancelled(stopping_));
}

void Driver::answer_leaving() {
  for (Leaving& leaving : std::exchange(leaving_, {})) {
    leaving.reply(coordinator_.leave(leaving.request, world_.now()));
  }
}

void Driver::collect() {
  stage_ = Stage::kCollecting;
  training_time_ = world_.now() - training_since_.value_or(world_.now());
  pulls_.push_back({parameters_->span(), [this](const Status& status) {
                      if (stage_ != Stage::kCollecting) return;
                      if (!status.ok()) return fail(status);
                      read_final_ledgers();
                    }});
  if (pulls_.size() == 1) next_pull();
}

void Driver::read_final_ledgers() {
  calls_left_ = options_.servers;
  for (size_t server = 0; server < channels_.size(); ++server) {
    const auto channel = channels_[server];
    final_ledgers_.push_back(
        std::make_unique<client::PersistentCall<Result<wire::LedgerReply>>>(world_, strand_));
    final_ledgers_.back()->start(
        "the parameter server at " + channel->address(),
        {.give_up_after = options_.training.server_timeout},
        [channel, job = job_](const wire::CallOptions& call,
                              core::Reply<Result<wire::LedgerReply>> reply) {
          channel->ledger({job, true}, call, std::move(reply));
        },
        [this, server](Result<wire::LedgerReply> reply) {
          if (!reply.ok()) {
            fail(reply.status());
          } else {
            take_ledger(server, *std::move(reply));
            if (--calls_left_ == 0 && stage_ == Stage::kCollecting) conclude();
          }
          changed();
        });
  }
}

void Driver::conclude() {
  report_progress();
  if (const Status counted = check_counts(); !counted.ok()) return fail(counted);
  end(result_from_ledgers());
}

Status Driver::check_partitions(const wire::LedgerReply& ledger) const {
  std::vector<int64_t> sequences(options_.pushes.size());
  for (const auto& count : ledger.partitions) {
    const auto partition = static_cast<size_t>(count.partition);
    if (count.partition < 0 || partition >= sequences.size()) {
      return miscounted("pushes of partition " + std::to_string(count.partition), count.sequence,
                        0);
    }
    sequences[partition] = count.sequence;
  }
  for (size_t p = 0; p < sequences.size(); ++p) {
    if (sequences[p] == options_.pushes[p]) continue;
    return miscounted("pushes of partition " + std::to_string(p), sequences[p], options_.pushes[p]);
  }
  return ok_status();
}

// The promise that the whole design stands for, looked at once more at every shard.
Status Driver::check_counts() const {
  const int64_t pushes =
      std::accumulate(options_.pushes.begin(), options_.pushes.end(), int64_t{0});
  for (size_t server = 0; server < ledgers_.size(); ++server) {
    const wire::LedgerReply& ledger = ledgers_[server];
    const auto shards = static_cast<int64_t>(ledger.shards.size());
    const auto owned = static_cast<int64_t>(shard_map_.owned_by(static_cast<int>(server)).size());
    if (shards != owned)
      return miscounted("shards of " + channels_[server]->address(), shards, owned);
    for (const auto& shard : ledger.shards) {
      if (shard.version == pushes) continue;
      return miscounted("updates of shard " + std::to_string(shard.shard), shard.version, pushes);
    }
    SLUICE_RETURN_IF_ERROR(check_partitions(ledger));
  }
  int64_t samples = 0;
  for (const auto& epoch : ledgers_.front().epochs) samples += epoch.samples;
  const int64_t expected = records_->info().records * options_.training.epochs;
  if (samples != expected) return miscounted("samples", samples, expected);
  for (const auto& epoch : ledgers_.front().epochs) {
    if (epoch.samples == records_->info().records) continue;
    return miscounted("samples of epoch " + std::to_string(epoch.epoch), epoch.samples,
                      records_->info().records);
  }
  return ok_status();
}

JobResult Driver::result_from_ledgers() const {
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
  result.parameters = core::AlignedBuffer(parameters_->size());
  std::copy(parameters_->span().begin(), parameters_->span().end(),
            result.parameters.span().begin());
  return result;
}

// From here on members are told to leave, and waited for.
void Driver::end(Result<JobResult> result) {
  stage_ = Stage::kEnding;
  leave_by_ = world_.now() + (result.ok() ? kLeaving : kLeavingSoon);
  if (result.ok()) coordinator_.close();
  result_ = std::move(result);
  poll_alarm_.clear();
  creates_.clear();
  final_ledgers_.clear();
  answer_grants();
  stop_by_ = core::TimePoint::max();
  answer_leaving();
  client_.reset();  // before its buffers' owners are told
  for (Pull& pull : std::exchange(pulls_, {})) pull.reply(cancelled("the job has ended"));
}

void Driver::all_left() {
  stage_ = Stage::kEnded;
  if (result_->ok()) fill_members(**result_);
  auto done = std::exchange(done_, nullptr);
  if (done) done(*std::move(result_));
}

void Driver::fill_members(JobResult& result) const {
  for (size_t server = 0; server < ledgers_.size(); ++server) {
    const wire::LedgerReply& ledger = ledgers_[server];
    result.servers.push_back({channels_[server]->address(), static_cast<int>(ledger.shards.size()),
                              ledger.update_seconds, ledger.peak_memory_bytes});
  }
  std::map<int, WorkerReport> workers;
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.name.role != wire::Role::kWorker) continue;
    WorkerReport& report = workers[member.name.index];
    report.leases += member.leases;
    report.peak_memory_bytes = std::max(report.peak_memory_bytes, member.peak_memory_bytes);
    const core::ProcessFacts& process = member.name.process;
    report.processes.push_back({"pid " + std::to_string(process.pid) + " on " + process.host,
                                member.end ? member.end->fate : "still there",
                                member.end && member.end->how == MemberEnded::How::kLeft});
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

}  // namespace sluice::driver
