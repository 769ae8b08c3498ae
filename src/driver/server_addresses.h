// At which address a parameter server is reached: by the driver, and by each worker.
#pragma once

#include <string>
#include <vector>

#include "driver/member.h"

namespace sluice::driver {

// Where the driver may reach a server: the address that it said, then the same port at the host
// that its join came from.
std::vector<std::string> possible_addresses(const Member& server);

// The addresses that a worker is told, by server index.
std::vector<std::string> addresses_for(const Members& members, const Member& worker, int servers);

}  // namespace sluice::driver
