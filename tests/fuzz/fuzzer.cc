// libFuzzer's program for the target that $SLUICE_FUZZ_TARGET names; without it, lists them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/fuzz/targets.h"

namespace {
const sluice::fuzz::Target* target = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("SLUICE_FUZZ_TARGET");
  for (const sluice::fuzz::Target& each : sluice::fuzz::targets()) {
    if (name == nullptr) std::printf("  %-12s %s\n", each.name, each.what);
    if (name != nullptr && std::string_view(name) == each.name) target = &each;
  }
  if (target != nullptr) return 0;
  if (name != nullptr) std::fprintf(stderr, "there is no target \"%s\"\n", name);
  std::exit(name == nullptr ? 0 : 2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
