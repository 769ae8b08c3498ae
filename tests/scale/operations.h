// How many basic blocks of driver and client have been entered.
#pragma once

#include <cstdint>

namespace sluice::scale {

int64_t operations();

}  // namespace sluice::scale
