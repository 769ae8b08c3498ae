#include "worker/session.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/cores.h"
#include "core/log.h"
#include "worker/caught.h"

namespace sluice::worker {

Session::Session(SessionParts parts, const wire::JoinReply& joined, const wire::TrainingSpec& spec,
                 const std::string& device)
    : parts_(std::move(parts)),
      joined_(joined),
      spec_(spec),
      device_(device.empty() ? spec.device : device),
      shares_cores_(spec.threads <= 0 && !parts_.cores.stated),
      source_(parts_.world, parts_.strand, parts_.driver, joined.job, spec, parts_.got_on,
              parts_.waiting_for) {
  if (spec_.threads <= 0) spec_.threads = parts_.cores.threads();
}

Status Session::prepare() {
  return caught([this] { return open_and_compile(); });
}

Status Session::open_and_compile() {
  SLUICE_ASSIGN_OR_RETURN(backend_,
                          parts_.open_backend({.name = device_,
                                               .slot = joined_.slot,
                                               .gpu = joined_.gpu,
                                               .gpu_memory_bytes = spec_.gpu_memory_mib << 20}));
  parts_.got_on();
  SLUICE_LOG(info, "joined the driver at {}; trains on {}{}", parts_.driver->address(),
             backend_->name(), shares_cores_ ? "" : fmt::format(", {} thread(s)", spec_.threads));
  make_trainer();
  parts_.got_on();
  source_.find_files();
  parts_.got_on();
  return ok_status();
}

void Session::make_trainer() {
  trainer_.emplace(spec_, *backend_, joined_.index, parts_.strand, joined_.member,
                   parts_.transport.buffers());
  trainer_->on_pause([this](bool paused) {
    parts_.got_on();
    parts_.waiting_for(paused ? wire::kToBeResumed : "");
  });
  trainer_->set_knobs(knobs_);
}

void Session::set_knobs(const wire::Knobs& knobs) {
  knobs_ = knobs;
  if (trainer_) trainer_->set_knobs(knobs);
}

void Session::follow(const wire::Placement& placement) {
  if (const Status fits = check(placement); !fits.ok()) {
    SLUICE_LOG(warn, "{}", fits.message());
    return;
  }
  if (!moved_ || moved_->revision < placement.revision) moved_ = placement;
  if (client_) client_->follow(placement);
}

void Session::open(const wire::AcquireReply& granted, Done done) {
  if (Status shared = share_cores(granted.threads); !shared.ok()) return done(std::move(shared));
  if (Status fits = check(granted.parameters); !fits.ok()) return done(std::move(fits));
  Status fresh = forget_other_models(granted.lease.partition);
  if (!fresh.ok()) return done(std::move(fresh));
  connect(granted);
  lease_ = granted.lease;
  if (data_ && data_of_ == lease_.partition) return done(ok_status());
  data_.reset();
  source_.open(lease_, [this, done = std::move(done)](Result<PartitionData> data) mutable {
    if (!data.ok()) return done(data.status());
    SLUICE_LOG(info, "partition {}: {} records {}, from push {}", lease_.partition, data->size(),
               source_.origin(), lease_.next_sequence);
    parts_.got_on();
    data_ = *std::move(data);
    data_of_ = lease_.partition;
    done(ok_status());
  });
}

// The first lease tells with how many others this worker shares its cores. A replica that has
// trained keeps its optimizer's state, and with it its threads.
Status Session::share_cores(int share) {
  const bool on_cpu = backend_->name().starts_with("cpu");
  if (!shares_cores_ || !on_cpu || trained_ || share <= 0) return ok_status();
  const int threads = std::min(share, parts_.cores.threads());
  SLUICE_LOG(info, "trains with {} thread(s), its share of {}", threads,
             core::to_text(parts_.cores));
  if (threads == spec_.threads) return ok_status();
  spec_.threads = threads;
  return caught([this] {
    make_trainer();
    return ok_status();
  });
}

// Both sides must cut the same parameters in the same way.
Status Session::check(const wire::Placement& placement) const {
  const wire::ShardMap& map = placement.shard_map;
  const std::string who = "the driver at " + parts_.driver->address();
  if (const Status valid = map.validate(); !valid.ok()) return valid.with_context(who);
  if (map.servers() > std::ssize(placement.servers)) {
    return invalid_argument(fmt::format("{} puts shards on {} servers, and names {}", who,
                                        map.servers(), placement.servers.size()));
  }
  const bool in_parts = spec_.trainer.algorithm->own_parameters;
  if (in_parts) {
    if (const Status valid = map.validate_parts(spec_.partitions); !valid.ok()) {
      return valid.with_context(who);
    }
  }
  const size_t expected = in_parts ? map.part(0, spec_.partitions).size : map.parameters();
  if (expected != trainer_->parameter_size()) {
    return invalid_argument(fmt::format("{} has shards of {} parameters, the model has {}", who,
                                        expected, trainer_->parameter_size()));
  }
  return ok_status();
}

// Where each partition has a model of its own, nothing of one's training goes into another's.
Status Session::forget_other_models(int64_t partition) {
  const int64_t before = std::exchange(trained_for_, partition);
  if (!spec_.trainer.algorithm->own_parameters || before < 0 || before == partition) {
    return ok_status();
  }
  return caught([this] {
    make_trainer();
    return ok_status();
  });
}

void Session::connect(const wire::AcquireReply& granted) {
  if (client_) return client_->follow(granted.parameters);
  const bool has_moved = moved_ && moved_->revision > granted.parameters.revision;
  client_ = std::make_unique<client::ParameterClient>(
      parts_.world, parts_.transport, parts_.timers, joined_.job,
      has_moved ? *moved_ : granted.parameters,
      client::ExchangeOptions{
          .give_up_after = spec_.server_timeout,
          // Which pushes come too late for a round, one server must say for all.
          .decided_pushes = spec_.trainer.options.has("backup_workers") &&
                            spec_.trainer.options.whole("backup_workers") > 0,
          .follows = true,
          .pull = spec_.pull_compression,
          .traffic = parts_.traffic},
      [this](const std::string& whom) {
        if (!whom.empty()) SLUICE_LOG(info, "waiting for a parameter server: {}", whom);
        parts_.waiting_for(whom);
      });
}

void Session::train(Done done) {
  trained_ = true;
  trainer_->train(lease_, *data_, *client_, parts_.on_step, std::move(done));
}

void Session::cut(int64_t last) {
  lease_.last = last;
  if (trainer_) trainer_->cut(last);
}

void Session::cancel() {
  source_.cancel();
  if (trainer_) trainer_->cancel();
}

}  // namespace sluice::worker
