// At which address a parameter server is reached: by the driver, and by each worker.
#pragma once

#include <string>
#include <vector>

#include "driver/member.h"

namespace sluice::driver {

// Where the driver may reach a server: the address that it said, then the same port at the host
// that its join came from.
std::vector<std::string> possible_addresses(const Member& server);

// The address that a worker is told.
std::string address_for(const Member& server, const Member& worker);

}  // namespace sluice::driver
