// How servers hear who trains at the moment: with the fence of a grant, or by a call of its own.
// And people, where it changes how pushes are scaled.
#include <utility>

#include "core/log.h"
#include "driver/driver.h"

namespace sluice::driver {
namespace {

constexpr core::Duration kGateCall = std::chrono::seconds(2);

}  // namespace

// Called again after each poll of the ledgers: what a server has not heard is repeated then.
void Driver::tell_gate() {
  const wire::Gate& gate = coordinator_.gate();
  gates_told_.resize(channels_.size());
  for (size_t server = 0; server < channels_.size(); ++server) {
    if (stage_ != Stage::kTraining || gates_told_[server] >= gate.generation) continue;
    gates_told_[server] = gate.generation;
    channels_[server]->set_gate(
        {job_, gate}, {kGateCall},
        lifetime_->on(strand_, [this, server, generation = gate.generation](const Status& status) {
          told_gate(server, generation, status);
        }));
  }
}

void Driver::told_gate(size_t server, int64_t generation, const Status& status) {
  if (status.ok() || gates_told_[server] != generation) return;
  SLUICE_LOG(debug, "a server has not heard who trains: {}", status.message());
  gates_told_[server] = 0;
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
