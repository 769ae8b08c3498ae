// Signals as a request to stop: SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2.
//
// The last two are what batch systems send before a job's time is up (`sbatch --signal=USR1@90`);
// their default is to kill the process on the spot.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "core/clock.h"

namespace sluice::launch {

struct StopSignalsOptions {
  // How long the process may take to end after the first signal before it is ended by force;
  // none: as long as it takes.
  std::optional<core::Duration> grace = std::nullopt;
  // Likewise when that signal is SIGTERM; none: the same.
  std::optional<core::Duration> grace_after_sigterm = std::nullopt;
  // Written to standard error when the process is ended by force.
  std::string last_words = "sluice: interrupted; not everything had come to its end\n";
};

// While one exists, the first of these signals requests a stop, on a thread of its own. When the
// process has not ended by itself within the grace, or when a second signal comes, it is ended:
// with the last words, without the folders of remove_at_end(), and with the exit status of a
// program killed by that signal. A third one ends it on the spot.
//
// Only signals at their default are taken, and are at their default again when this goes: what is
// ignored stays so (SIGHUP under nohup, SIGINT behind a script's "&"), and what a program handles
// itself remains its own. Of several that exist at a time, the first one's options count.
class StopSignals {
 public:
  explicit StopSignals(const StopSignalsOptions& options = {});
  StopSignals(const StopSignals&) = delete;
  ~StopSignals();  // not on the thread that requests the stop

  std::stop_token token() const { return token_; }
  // Of the signal that came last: its number (0: none), the exit status of a program that it has
  // ended, and its name, "SIGTERM".
  static int signal();
  static int exit_status() { return 128 + signal(); }
  static std::string name();

 private:
  std::stop_token token_;
};

// A folder or a file that shall not outlive this process when a signal ends it, and one that is
// gone. Thread-safe.
void remove_at_end(const std::string& folder);
void forget_at_end(const std::string& folder);

}  // namespace sluice::launch
