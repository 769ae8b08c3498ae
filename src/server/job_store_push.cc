// What JobStore does at a turn: shards are written, and published.
#include <algorithm>
#include <utility>

#include "server/job_store.h"

namespace sluice::server {
namespace {

// A core that helps is told so by the kernel, which costs some microseconds: as long as a pass over
// this many floats takes.
constexpr size_t kWorthHelp = size_t{1} << 17;

}  // namespace

Status JobStore::assign_now(wire::ShardRange range, const wire::ReceivedPayload& values) {
  {
    std::lock_guard lock(mutex_);
    SLUICE_RETURN_IF_ERROR(machine_->assign(range, values.bytes()));
  }
  SLUICE_ASSIGN_OR_RETURN(const size_t place, machine_->place_of(range));
  size_t offset = 0;
  for (size_t i = place; i < place + static_cast<size_t>(range.count); ++i) {
    ShardValues& shard = shards_[i];
    const size_t bytes = shard.shard().size * sizeof(float);
    auto assigned = shard.prepare_values(wire::part_of(values, offset, bytes), steps_in_place());
    offset += bytes;
    // What was there before is freed after the lock.
    std::lock_guard lock(mutex_);
    machine_->assigned(i);
    shard.assign(assigned);
  }
  return ok_status();
}

// `outcome` is what all answers to the push say.
Status JobStore::push_now(StagedPush& push, PushAnswer& outcome) {
  std::vector<ShardValues::Step> steps(shards_.size());
  std::vector<char> published(shards_.size());
  PushMachine::Became became;
  int64_t staleness = 0;
  bool closes = false;
  {
    std::lock_guard lock(mutex_);
    SLUICE_ASSIGN_OR_RETURN(became, machine_->push(push.header));
    for (size_t i = 0; i < shards_.size(); ++i) {
      ShardValues::Step& step = steps[i];
      step.context = machine_->context_of(push.header, i, push.pieces[i].base_version);
      staleness = std::max(staleness, step.context.staleness);
      closes = step.context.closes;
      step.old = shards_[i].snapshot();
      if (!algorithm_->keeps_bases || !push.pieces[i].needed) continue;
      // With its owner: a worker of the same number may be given something else meanwhile.
      const auto& given = shards_[i].given();
      const auto base = given.find(push.header.worker);
      if (base == given.end()) continue;
      if (base->second.snapshot.version != push.pieces[i].base_version) continue;
      step.base = base->second.snapshot.values;
      step.context.base = step.base.values;
    }
  }
  outcome.since = world_.now();
  outcome.duplicate = became == PushMachine::Became::kDuplicate;
  outcome.superseded = became == PushMachine::Became::kSuperseded;
  if (became != PushMachine::Became::kApply) return end_round(/*flush=*/false);
  if (algorithm_->answers_with_old) {
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < shards_.size(); ++i) {
      shards_[i].given()[push.header.worker] = {push.header.id, steps[i].old};
    }
  }
  std::vector<size_t> places;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (push.pieces[i].needed) places.push_back(i);
  }
  const core::TimePoint start = world_.now();
  if (steps_in_place()) {
    std::ranges::fill(published, char{1});
    spread(places,
           [&](size_t i) { shards_[i].apply_in_place(steps[i].context, push.pieces[i].update); });
  } else {
    step_shards(push, places, steps);
    for (const size_t i : places) published[i] = steps[i].publishes ? 1 : 0;
  }
  const core::TimePoint end = world_.now();
  // Old values are let go with `steps`, after the lock.
  std::lock_guard lock(mutex_);
  machine_->applied(push.header, staleness, closes, published, end);
  if (!steps_in_place()) {
    for (const size_t i : places) shards_[i].publish(steps[i], machine_->values_version(i));
  }
  update_seconds_ += core::to_seconds(end - start);
  return ok_status();
}

// Everything that can fail for want of memory comes before the first rule is told.
void JobStore::step_shards(const StagedPush& push, const std::vector<size_t>& places,
                           std::vector<ShardValues::Step>& steps) {
  for (const size_t i : places) shards_[i].prepare(steps[i]);
  for (const size_t i : places) shards_[i].begin(steps[i], push.header.id);
  spread(places, [&](size_t i) { shards_[i].apply(steps[i], push.pieces[i].update); });
}

template <typename Work>
void JobStore::spread(const std::vector<size_t>& places, Work work) {
  size_t floats = 0;
  for (const size_t i : places) floats += shards_[i].shard().size;
  if (floats < kWorthHelp) {
    for (const size_t i : places) work(i);
  } else {
    crew_.run(places.size(), [&](size_t k) { work(places[k]); });
  }
}

// Ends the round where no other push will.
Status JobStore::end_round(bool flush) {
  std::vector<ShardValues::Step> steps(shards_.size());
  std::vector<char> published(shards_.size()), keeps(shards_.size());
  {
    std::lock_guard lock(mutex_);
    if (!machine_->round_ends(flush)) return ok_status();
    for (size_t i = 0; i < shards_.size(); ++i) {
      keeps[i] = machine_->keeps(i) ? 1 : 0;
      steps[i].context = machine_->closing_context(i);
      steps[i].old = shards_[i].snapshot();
    }
  }
  const auto kept = [&](size_t i) { return keeps[i] != 0; };
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (kept(i)) shards_[i].prepare(steps[i]);
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (kept(i)) shards_[i].begin(steps[i], {});
  }
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (kept(i)) shards_[i].apply(steps[i], {});
    published[i] = kept(i) && steps[i].publishes ? 1 : 0;
  }
  std::lock_guard lock(mutex_);
  machine_->round_ended(published);
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (kept(i)) shards_[i].publish(steps[i], machine_->values_version(i));
  }
  return ok_status();
}

}  // namespace sluice::server
