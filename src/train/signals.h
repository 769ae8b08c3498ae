// SIGINT, SIGTERM and SIGHUP as a flag that every role looks at.
#pragma once

#include <atomic>
#include <string>

#include "core/clock.h"

namespace sluice::train {

// From now on the first of these signals sets the returned flag. When the process has not ended by
// itself within `grace`, or when a second signal comes, it is ended: with `last_words` on standard
// error, without the folders of remove_at_end(), and with the exit status of a program killed by
// that signal. A SIGHUP that is ignored, as under nohup, stays so. Thread-safe; the first call
// decides.
const std::atomic<bool>& stop_on_signals(
    core::Duration grace,
    const std::string& last_words = "sluice: interrupted; not everything had come to its end\n");

// The exit status after stop_on_signals()' flag was set: 128 + the signal.
int signal_exit_status();

// A folder that shall not outlive this process when a signal ends it, and one that is gone.
// Thread-safe.
void remove_at_end(const std::string& folder);
void forget_at_end(const std::string& folder);

}  // namespace sluice::train
