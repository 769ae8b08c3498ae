// How Driver follows the training: it reads the servers' ledgers and tells the observer.
#include <algorithm>
#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

constexpr core::Duration kPollEvery = std::chrono::milliseconds(200);
constexpr core::Duration kPollCall = std::chrono::seconds(2);

}  // namespace

void Driver::poll_ledgers() {
  polls_left_ = servers();
  poll_complete_ = true;
  for (size_t server = 0; server < channels_.size(); ++server) {
    channels_[server]->ledger(
        {job_, false}, {kPollCall, wire::ledger_bytes(options_.training)},
        lifetime_->on(strand_, [this, poll = poll_, server](Result<wire::LedgerReply> reply) {
          polled(poll, server, std::move(reply));
        }));
  }
}

void Driver::polled(int64_t poll, size_t server, Result<wire::LedgerReply> reply) {
  if (poll != poll_) return;  // shards have moved since
  // An answer that comes late is older than the final ledgers of a job that is stopped.
  if (stage_ != Stage::kTraining || !final_ledgers_.empty()) return;
  if (reply.ok()) {
    take_ledger(server, *std::move(reply));
  } else {
    // Who is silent for long is named by the coordinator.
    SLUICE_LOG(debug, "no progress to show: {}", reply.status().message());
    poll_complete_ = false;
  }
  if (--polls_left_ > 0) return;
  if (poll_complete_) report_progress();
  tell_gate();
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
  progress.updates = updates();
  rates_.add(now, {static_cast<double>(progress.samples), static_cast<double>(progress.updates),
                   pushed_bytes()});
  for (const auto& [id, member] : coordinator_.members()) {
    if (member.name.role != wire::Role::kWorker || !member.alive) continue;
    progress.workers.push_back(
        {member.name.index, member.partition, member.step, member.waiting_for});
  }
  observer_.on_event({now, std::move(progress)});
}

void Driver::take_ledger(size_t server, wire::LedgerReply ledger) {
  coordinator_.answers_held(ledger.trainees, world_.now());
  ledgers_[server] = std::move(ledger);
  if (server == wire::ShardMap::kLedgerServer) epochs_read_at_ = world_.now();
}

// An epoch has ended when its last sample was counted, which is some time before it is read of.
void Driver::report_epochs() {
  const wire::LedgerReply& ledger = ledgers_.front();
  while (epochs_reported_ < ledger.epochs.size() &&
         ledger.epochs[epochs_reported_].samples + ledger.epochs[epochs_reported_].superseded ==
             records_->info().records) {
    const size_t epoch = epochs_reported_++;
    const double age = epoch < ledger.epoch_ages_s.size() ? ledger.epoch_ages_s[epoch] : 0;
    const double known = core::to_seconds(epochs_read_at_ - last_epoch_end_);
    // The age comes from the network: whatever it is, time does not run backwards.
    last_epoch_end_ = epochs_read_at_ - core::from_seconds(age >= 0 ? std::min(age, known) : 0);
    observer_.on_event({last_epoch_end_, EpochEnded{ledger.epochs[epoch]}});
  }
}

int64_t Driver::updates() const { return ledgers_.front().version; }

// Floats that were applied, of all servers.
double Driver::pushed_bytes() const {
  double bytes = 0;
  for (size_t server = 0; server < ledgers_.size(); ++server) {
    bytes += static_cast<double>(ledgers_[server].version) *
             static_cast<double>(shard_map_.floats_on(static_cast<int>(server)) * sizeof(float));
  }
  return bytes;
}

}  // namespace sluice::driver
