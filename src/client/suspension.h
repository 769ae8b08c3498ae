// Whether this process itself did not run for a while: it was stopped (Ctrl-Z, SIGSTOP), or its
// machine was. Then nobody else was silent: whoever waits counts the others' silence anew. As in
// the driver (Coordinator::excuse), so that a job that was stopped as a whole goes on, whoever of
// it wakes up first.
//
// Whoever waits says by when something will happen at the latest, by a timeout of its own if by
// nothing else. What happens much later says that this process was stopped.
#pragma once

#include <utility>

#include "core/clock.h"

namespace sluice::client {

class Suspension {
 public:
  void expect(core::TimePoint at_the_latest) { expected_ = at_the_latest; }
  // At that event.
  bool is_over(core::TimePoint now) {
    const core::TimePoint expected = std::exchange(expected_, core::TimePoint::max());
    return now > expected && now - expected >= kBusy;
  }

 private:
  // More than a busy machine explains.
  static constexpr core::Duration kBusy = std::chrono::seconds(2);

  core::TimePoint expected_ = core::TimePoint::max();
};

}  // namespace sluice::client
