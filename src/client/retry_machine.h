// Whether and when a call that failed is made again.
//
// UNAVAILABLE, DEADLINE_EXCEEDED and RESOURCE_EXHAUSTED may pass: the call is repeated after a
// short, growing pause, until the peer has been silent for `give_up_after`. Only for calls that may
// be repeated. Plain decisions: the time comes in, the answer goes out.
#pragma once

#include <optional>

#include "client/suspension.h"
#include "core/clock.h"
#include "core/rng.h"
#include "sluice/status.h"

namespace sluice::client {

// A silent peer is named in the log every so often, not at every attempt.
inline constexpr core::Duration kSayAgain = std::chrono::seconds(5);

// Whether a call that failed so may succeed when it is repeated.
bool may_pass(StatusCode code);

struct Backoff {
  core::Duration first = std::chrono::milliseconds(50);
  core::Duration largest = std::chrono::seconds(1);

  // The pause after failed attempt `attempt` (from 1): doubles from one to the next, less up to
  // half of it by chance, so that many callers do not come back together.
  core::Duration after(int attempt, core::Rng& chance) const;
};

struct RetryOptions {
  core::Duration give_up_after = std::chrono::seconds(30);  // of silence
  core::Duration longest_attempt = core::Duration::max();
  Backoff backoff{};
};

class RetryMachine {
 public:
  RetryMachine(const RetryOptions& options, core::TimePoint now, uint64_t seed)
      : options_(options), since_(now), chance_(seed) {}

  // The next attempt begins now. How long it may take: what is left of the time, but at most a
  // fifth of all of it.
  core::Duration timeout(core::TimePoint now);
  // When to make the next attempt; none: give up, either because `failed` will not pass, or because
  // the peer has been silent for too long.
  std::optional<core::TimePoint> after(const Status& failed, core::TimePoint now);
  core::Duration silence(core::TimePoint now) const { return now - since_; }
  // Until it is given up.
  core::Duration left(core::TimePoint now) const { return options_.give_up_after - silence(now); }

 private:
  const RetryOptions options_;
  core::TimePoint since_;  // when the silence began: at the first attempt
  Suspension suspension_;
  core::Rng chance_;
  int failures_ = 0;
};

// For whom is waited, and why; a failure that names `whom` itself is no reason to do so twice:
// "the driver at host:7070: broken pipe", "the driver at host:7070, which does not answer (...)".
std::string who_failed(const std::string& whom, const Status& failed);

// A line for people who see a process wait: "waiting 5 s for the driver at host:7070, which does
// not answer (connection refused); given up in 25 s".
std::string waiting_for(const std::string& whom, core::Duration silence, core::Duration left,
                        const Status& failed);

// The same of who is given up: "the driver at host:7070 has not answered for 30 s: broken pipe",
// "... for 30 s (connection refused)".
Status silent_for(const std::string& whom, core::Duration silence, const Status& last);

}  // namespace sluice::client
