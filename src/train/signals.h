// SIGINT and SIGTERM as a flag that every role looks at.
#pragma once

#include <atomic>

#include "core/clock.h"

namespace sluice::train {

// From now on the first of the two signals sets the returned flag; the process is ended, with the
// exit status of a program killed by that signal, when it has not ended by itself within `grace`
// (whole seconds) or when the signal comes again. Call from main's thread.
const std::atomic<bool>& stop_on_signals(int grace_s);

// The exit status after stop_on_signals()' flag was set: 128 + the signal.
int signal_exit_status();

}  // namespace sluice::train
