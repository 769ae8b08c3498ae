// SIGINT, SIGTERM and SIGHUP as a request to stop.
#pragma once

#include <stop_token>
#include <string>

#include "core/clock.h"

namespace sluice::launch {

// From now on the first of these signals requests a stop, on a thread of its own. When the process
// has not ended by itself within `grace`, or when a second signal comes, it is ended: with
// `last_words` on standard error, without the folders of remove_at_end(), and with the exit status
// of a program killed by that signal. One that is ignored stays so: SIGHUP under nohup, SIGINT
// behind a script's "&". Thread-safe; the first call decides.
std::stop_token stop_on_signals(
    core::Duration grace,
    const std::string& last_words = "sluice: interrupted; not everything had come to its end\n");

// Of the signal that stop_on_signals() has seen: the exit status, 128 + its number, and its name,
// "SIGTERM".
int signal_exit_status();
std::string signal_name();

// A folder that shall not outlive this process when a signal ends it, and one that is gone.
// Thread-safe.
void remove_at_end(const std::string& folder);
void forget_at_end(const std::string& folder);

}  // namespace sluice::launch
