// What a worker and the servers have exchanged, as lines. Internal.
#pragma once

#include <string>
#include <vector>

#include "wire/traffic.h"

namespace sluice::show {

// "shared memory: 1.6 GB sent, 1.6 GB received, 375 exchanges of 8 ms", a line for each way that
// some took, and one for each hint. None where nothing was exchanged.
std::vector<std::string> traffic_lines(const std::vector<wire::Traffic>& traffic);

}  // namespace sluice::show
