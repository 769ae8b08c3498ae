// Patience with the driver: a call that fails in a way that may pass (UNAVAILABLE,
// DEADLINE_EXCEEDED) is made again after a short, growing pause, until the driver has been silent
// for `give_up_after`. The log is told every few seconds for whom this waits. Only for calls that
// may be repeated.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::wire {

struct PatienceOptions {
  core::Duration give_up_after = std::chrono::seconds(30);  // of silence
  core::Duration longest_attempt = core::Duration::max();
  std::function<bool()> stop = [] { return false; };  // asked during pauses; true: CANCELLED
};

// For a process that is to become a member: short attempts, so that it can say that it waits.
inline PatienceOptions joining(core::Duration timeout, const std::atomic<bool>& stop) {
  return {.give_up_after = timeout, .longest_attempt = std::chrono::seconds(2), .stop = [&stop] {
            return stop.load();
          }};
}

// Used by one thread.
class Patience {
 public:
  Patience(std::string driver, PatienceOptions options);

  // How long the next attempt may take: what is left of the time.
  CallOptions attempt() const;
  // Pauses after a failed attempt. OK: make another. Otherwise why not: `failed` itself when it
  // will not pass, CANCELLED, or UNAVAILABLE with the driver's address.
  Status after(const Status& failed);
  // The driver has answered in part: the time starts anew.
  void heard();

 private:
  core::Duration silence() const;
  void pause();

  const std::string driver_;
  const PatienceOptions options_;
  core::TimePoint last_heard_;
  core::TimePoint last_said_{};
  core::Duration backoff_;
};

inline const Status& status_of(const Status& status) { return status; }
template <typename T>
const Status& status_of(const Result<T>& result) {
  return result.status();
}

// `call` takes CallOptions and returns a Status or a Result.
template <typename Call>
auto call_patiently(const std::string& driver, PatienceOptions options, Call call)
    -> decltype(call(CallOptions{})) {
  Patience patience(driver, std::move(options));
  for (;;) {
    auto answer = call(patience.attempt());
    if (answer.ok()) return answer;
    if (Status why = patience.after(status_of(answer)); !why.ok()) return why;
  }
}

}  // namespace sluice::wire
