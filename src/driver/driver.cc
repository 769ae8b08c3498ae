#include "driver/driver.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "driver/final_ledgers.h"

namespace sluice::driver {
namespace {

// How long members may take to leave: when everything is trained, and when a person may be waiting.
constexpr core::Duration kLeaving = std::chrono::seconds(5);
constexpr core::Duration kLeavingSoon = std::chrono::milliseconds(1500);
// Of it, how long workers may take to end their pushes (LeaseMachine::kDrainTime and the way).
constexpr core::Duration kDraining = std::chrono::milliseconds(1500);

data::Shuffle shuffle_of(const wire::TrainingSpec& spec) {
  return spec.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone;
}

CoordinatorOptions coordinator_options(const DriverOptions& options, uint64_t job,
                                       const data::Partitioning& partitioning, size_t parameters) {
  CoordinatorOptions result;
  result.job = job;
  result.servers = options.servers;
  result.workers = options.workers;
  result.gather = options.gather;
  result.max_staleness = options.max_staleness;
  wire::TrainingSpec training = options.training;
  // All shards on one server: the largest that it can be, however many servers are wanted later.
  training.largest_message =
      static_cast<int64_t>(shard_map_of(options, parameters, 1).largest_message());
  result.job_spec = wire::to_json(training);
  result.lease_timeout = options.lease_timeout;
  result.server_timeout = options.training.server_timeout;
  result.stall_timeout = options.stall_timeout;
  result.name_stalled_after = std::min(result.name_stalled_after, options.stall_timeout / 2);
  result.idle_timeout = options.idle_timeout;
  result.min_workers = options.min_workers;
  result.max_workers = options.max_workers;
  result.most_workers = training.trainer.algorithm->most_workers;
  result.divides = !training.trainer.algorithm->own_parameters;
  std::vector<int64_t> epoch_steps;
  for (int64_t p = 0; p < partitioning.partitions(); ++p) {
    result.partition_records.push_back(partitioning.size(p));
    epoch_steps.push_back((partitioning.size(p) + training.batch_size - 1) / training.batch_size);
  }
  const std::shared_ptr rule = training.trainer.worker_rule();
  result.plan = std::make_shared<PushPlan>(options.pushes, std::move(epoch_steps), training.epochs,
                                           [rule](int64_t push, int64_t steps_of_an_epoch) {
                                             return rule->push_end(push, steps_of_an_epoch);
                                           });
  return result;
}

DriverOptions checked(DriverOptions options) {
  if (static_cast<int64_t>(options.pushes.size()) != options.training.partitions) {
    throw std::invalid_argument(fmt::format(
        "a driver must know the pushes of each of its {} partitions", options.training.partitions));
  }
  return options;
}

}  // namespace

wire::ShardMap shard_map_of(const DriverOptions& options, size_t parameters, int servers) {
  if (!options.training.trainer.algorithm->own_parameters) {
    return wire::ShardMap::even(parameters, options.shards, servers);
  }
  return wire::ShardMap::in_parts(parameters, options.training.partitions, options.shards, servers);
}

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
      shard_map_(shard_map_of(options_, parameters.size(), options_.servers)),
      strand_(world.make_strand("driver")),
      started_(world.now()),
      record_server_(world, records_, partitioning_),
      coordinator_(coordinator_options(options_, job_, partitioning_, parameters.size()),
                   world.now()),
      parameters_(std::make_shared<core::AlignedBuffer>(parameters.size())),
      gain_watch_(options_.training.trainer.gain(), options_.workers),
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
      stop_and_keep(reason, kKeeping);
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

void Driver::workers_wanted(int workers) {
  strand_->post([this, workers] {
    coordinator_.set_workers_wanted(workers, world_.now());
    changed();
  });
}

void Driver::server_missing(const std::string& why) {
  strand_->post([this, why] {
    coordinator_.keep_servers(why, world_.now());
    changed();
  });
}

void Driver::listens_at(const std::string& address) {
  strand_->post([this, address] { coordinator_.listens_at(address); });
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
  look_at_servers();
  tell_gate();
  look_at_gain();
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
  if (!moving_) at = std::min(at, drained_by_);  // else the move is ended first
  if (stage_ == Stage::kEnding) at = std::min(at, leave_by_);
  if (stage_ == Stage::kTraining) at = std::min(at, gain_watch_.next());
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
    JobResult totals = job_result();
    totals.stopped = stopping_;
    return end(std::move(totals));
  }
  if (stage_ == Stage::kJoining && coordinator_.servers_ready()) return set_up();
  if (stage_ != Stage::kTraining || moving_) return;  // what is called off first
  if (coordinator_.phase() == Phase::kDone && !keeping_) return collect();
  if (is_drained()) keep();
}

Status Driver::lost_server() const {
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.name.role == wire::Role::kServer && member.end) {
      return {StatusCode::kAborted, fmt::format("{} {}; its parameters are gone",
                                                member.name.to_string(), member.end->fate)};
    }
  }
  return internal_error("a parameter server is missing");
}

void Driver::fail(const Status& why) {
  if (stage_ == Stage::kEnding || stage_ == Stage::kEnded) return;
  if (failure_.ok()) failure_ = why;
  const core::TimePoint now = world_.now();
  if (coordinator_.phase() == Phase::kDone) {
    coordinator_.fail(why.message(), now);
  } else {
    coordinator_.abort(why.message(), now);
  }
}

// --- Pulls ---

void Driver::pull(std::span<float> into, core::Reply<Status> reply) {
  strand_->post([this, into, reply = std::move(reply)]() mutable {
    if (stage_ != Stage::kTraining && stage_ != Stage::kCollecting) {
      return reply(cancelled("the job is not training"));
    }
    pull_in_turn({Pull::What::kValues, into, std::move(reply)});
  });
}

void Driver::pull_in_turn(Pull pull) {
  pulls_.push_back(std::move(pull));
  if (pulls_.size() == 1) next_pull();
}

void Driver::next_pull() {
  const Pull& next = pulls_.front();
  const auto pull = next.what == Pull::What::kValues ? &client::ParameterClient::pull
                                                     : &client::ParameterClient::pull_averages;
  ((*client_).*pull)(next.into, lifetime_->on(strand_, [this](const Status& status) {
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

// First the workers end what they push, so that each push is in all shards or in none. Then the
// parameters are read, and then everybody is told: the servers are needed until then.
void Driver::stop_and_keep(const std::string& reason, core::Duration within) {
  if (!stopping_.empty()) {  // somebody else may have less patience
    stop_by_ = std::min(stop_by_, world_.now() + within);
    return;
  }
  stopping_ = reason;
  stop_by_ = world_.now() + within;
  if (stage_ == Stage::kCollecting) return;
  drained_by_ = world_.now() + kDraining;
  coordinator_.drain(reason, world_.now());
}

bool Driver::is_drained() const {
  return drained_by_ != core::TimePoint::max() &&
         (coordinator_.live(wire::Role::kWorker) == 0 || world_.now() >= drained_by_);
}

void Driver::keep() {
  drained_by_ = core::TimePoint::max();
  keeping_ = true;
  const auto read = [this](const Status& status) {
    if (stage_ != Stage::kTraining) return;
    kept_ = status.ok();
    if (!kept_) return end_keeping();
    read_final_ledgers();
  };
  settle([this, read] {
    if (stage_ != Stage::kTraining) return;
    flush([this, read] {
      if (stage_ == Stage::kTraining) read_parameters(read);
    });
  });
}

// A worker that went on may have trained the rest meanwhile: then everything is read once more.
void Driver::end_keeping() {
  keeping_ = false;
  if (coordinator_.phase() == Phase::kDone) return collect();
  stopped();
}

void Driver::stopped() {
  drained_by_ = stop_by_ = core::TimePoint::max();
  fail(cancelled(stopping_));
}

void Driver::answer_leaving() {
  for (Leaving& leaving : std::exchange(leaving_, {})) {
    leaving.reply(coordinator_.leave(leaving.request, world_.now()));
  }
}

void Driver::collect() {
  stage_ = Stage::kCollecting;
  drained_by_ = core::TimePoint::max();
  kept_ = false;
  read_parameters([this](const Status& status) {
    if (stage_ != Stage::kCollecting) return;
    if (!status.ok()) return fail(status);
    read_final_ledgers();
  });
}

// The time of training ends here: what a job has trained is in what is read. The values are read of
// a job with averages too: the last epoch is validated on them, as every other.
void Driver::read_parameters(core::Reply<Status> done) {
  training_time_ = world_.now() - training_since_.value_or(world_.now());
  if (!options_.training.optimizer.use_ema) {
    return pull_in_turn({Pull::What::kValues, parameters_->span(), std::move(done)});
  }
  averages_ = core::AlignedBuffer(parameters_->size());
  pull_in_turn({Pull::What::kValues, parameters_->span(),
                [this, done = std::move(done)](const Status& status) mutable {
                  if (!status.ok()) return done(status);
                  pull_in_turn({Pull::What::kAverages, averages_.span(), std::move(done)});
                }});
}

void Driver::read_final_ledgers() {
  calls_left_ = servers();
  final_ledgers_.clear();
  for (size_t server = 0; server < channels_.size(); ++server) {
    const auto channel = channels_[server];
    final_ledgers_.push_back(
        std::make_unique<client::PersistentCall<Result<wire::LedgerReply>>>(world_, strand_));
    final_ledgers_.back()->start(
        "the parameter server at " + channel->address(),
        {.give_up_after = options_.training.server_timeout},
        [this, channel](wire::CallOptions call, core::Reply<Result<wire::LedgerReply>> reply) {
          call.answer_bytes = wire::ledger_bytes(options_.training);
          channel->ledger({job_, true}, call, std::move(reply));
        },
        [this, server](Result<wire::LedgerReply> reply) {
          if (!reply.ok()) {
            fail(reply.status());
          } else {
            take_ledger(server, *std::move(reply));
            if (--calls_left_ == 0) conclude();
          }
          changed();
        });
  }
}

void Driver::conclude() {
  if (stage_ != Stage::kTraining && stage_ != Stage::kCollecting) return;
  report_progress();
  if (stage_ == Stage::kTraining) return end_keeping();
  const Status counted = check_ledgers(
      ledgers_, server_addresses(),
      {shard_map_, options_.pushes, records_->info().records, options_.training.epochs});
  if (!counted.ok()) return fail(counted);
  end(job_result());
}

std::vector<std::string> Driver::server_addresses() const {
  std::vector<std::string> addresses;
  for (const auto& channel : channels_) addresses.push_back(channel->address());
  return addresses;
}

JobResult Driver::job_result() {
  JobResult result = result_of(ledgers_);
  for (const wire::LedgerReply& ledger : retired_ledgers_) {
    result.duplicate_pushes += ledger.duplicates;
    result.fenced_pushes += ledger.fenced;
  }
  result.training_time_s = core::to_seconds(training_time_);
  result.parameters = core::AlignedBuffer(parameters_->size());
  std::copy(parameters_->span().begin(), parameters_->span().end(),
            result.parameters.span().begin());
  result.averages = std::move(averages_);
  const core::TimePoint begin = training_since_.value_or(started_);
  for (const auto& [at, change] : changes_) {
    result.changes.push_back(
        {core::to_seconds(at - begin), change.knob, change.from, change.to, change.by});
  }
  for (const auto& [at, change] : moves_) {
    result.moves.push_back(
        {core::to_seconds(at - begin), change.from, change.to, change.bytes, change.held_s});
  }
  for (const auto& [at, change] : gains_) {
    result.gains.push_back(
        {core::to_seconds(at - begin), change.workers, change.gain, change.scale});
  }
  return result;
}

// From here on members are told to leave, and waited for.
void Driver::end(Result<JobResult> result) {
  stage_ = Stage::kEnding;
  const bool to_the_end = result.ok() && result->stopped.empty();
  leave_by_ = world_.now() + (to_the_end ? kLeaving : kLeavingSoon);
  if (result.ok()) coordinator_.close();
  result_ = std::move(result);
  poll_alarm_.clear();
  moving_.reset();
  creates_.clear();
  final_ledgers_.clear();
  answer_grants();
  drained_by_ = stop_by_ = core::TimePoint::max();
  answer_leaving();
  client_.reset();  // before its buffers' owners are told
  for (Pull& pull : std::exchange(pulls_, {})) pull.reply(cancelled("the job has ended"));
}

void Driver::all_left() {
  stage_ = Stage::kEnded;
  if (result_->ok()) {
    add_members(ledgers_, server_addresses(), coordinator_.members(), **result_);
  }
  auto done = std::exchange(done_, nullptr);
  if (done) done(*std::move(result_));
}

}  // namespace sluice::driver
