// Counts as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::core {

// "31,264".
std::string with_separators(int64_t value);

// "1 class", "31,264 classes".
std::string counted(int64_t count, const char* one, const char* many);

}  // namespace sluice::core
