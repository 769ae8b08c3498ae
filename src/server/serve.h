// The server role: listens, joins a job, keeps its parameters until the driver says it is over.
#pragma once

#include <atomic>
#include <string>

#include "core/clock.h"
#include "sluice/status.h"
#include "wire/transport.h"

namespace sluice::server {

struct ServeOptions {
  std::string driver;     // address
  std::string listen;     // address for the data plane; port 0: any free one
  std::string advertise;  // what workers call it; empty: as it listens, by the host's name
  int preferred_index = -1;
  int threads = 1;                                         // of the data plane
  core::Duration join_timeout = std::chrono::seconds(60);  // for the driver to be there
};

// OK: the driver has ended the job. Otherwise why it could not go on; `stop` makes it leave with
// CANCELLED.
Status serve(wire::Transport& transport, const ServeOptions& options,
             const std::atomic<bool>& stop);

}  // namespace sluice::server
