// The end of a test whose kernel does what no GPU defines.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace sluice::emulator {

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "CUDA emulator: %s\n", what.c_str());
  std::abort();
}

}  // namespace sluice::emulator
