// How servers hear who trains at the moment: with the fence of a grant, or by a call of its own.
// And people, where it changes how pushes are scaled.
#include <algorithm>
#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

constexpr core::Duration kGateCall = std::chrono::seconds(2);

}  // namespace

// Called again after each poll of the ledgers: what a server has not heard is repeated then. One
// call at a time tells a server, however much changes meanwhile.
void Driver::tell_gate() {
  const wire::Gate& gate = coordinator_.gate();
  gates_told_.resize(channels_.size());
  for (size_t server = 0; server < channels_.size(); ++server) {
    GateTold& told = gates_told_[server];
    const bool is_news = told.sent < gate.generation && !told.under_way;
    if (stage_ != Stage::kTraining || !is_news) continue;
    told.sent = gate.generation;
    told.under_way = true;
    channels_[server]->set_gate(
        {job_, coordinator_.gate_since(told.heard)}, {kGateCall},
        lifetime_->on(strand_, [this, server, generation = gate.generation,
                                revision = revision_](const Status& status) {
          told_gate(revision, server, generation, status);
        }));
  }
}

// `revision`: as it was when the server was told; by another it is another server's affair.
void Driver::told_gate(int64_t revision, size_t server, int64_t generation, const Status& status) {
  if (revision != revision_) return;
  GateTold& told = gates_told_[server];
  told.under_way = false;
  if (status.ok()) {
    heard_gate(revision, server, generation);
    return tell_gate();  // what has changed meanwhile
  }
  SLUICE_LOG(debug, "a server has not heard who trains: {}", status.message());
  if (told.sent == generation) told.sent = told.heard = 0;
}

void Driver::heard_gate(int64_t revision, size_t server, int64_t generation) {
  if (revision != revision_) return;
  int64_t& heard = gates_told_[server].heard;
  heard = std::max(heard, generation);
}

// Servers scale pushes by the same trainees.
void Driver::look_at_gain() {
  if (stage_ != Stage::kTraining) return;
  const core::TimePoint now = world_.now();
  const auto changed =
      gain_watch_.trained_by(static_cast<int>(coordinator_.gate().trainees.size()), now);
  if (!changed) return;
  gains_.emplace_back(now, *changed);
  observer_.on_event({now, *changed});
}

// What servers keep for a round or a buffer becomes part of their values. A server that does not
// answer is left alone.
void Driver::flush(const std::function<void()>& done) {
  flushes_left_ = static_cast<int>(channels_.size());
  for (const auto& channel : channels_) {
    channel->set_gate({job_, coordinator_.gate(), /*flush=*/true}, {kGateCall},
                      lifetime_->on(strand_, [this, done](const Status&) {
                        if (--flushes_left_ == 0) done();
                      }));
  }
}

}  // namespace sluice::driver
