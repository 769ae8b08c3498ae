#include "runtime/settings.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace sluice::emulator {
namespace {

std::string variable(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::string architecture() { return variable("SLUICE_EMULATED_ARCH", "9.0"); }

}  // namespace

Gpus gpus() {
  if (variable("SLUICE_EMULATED_GPUS", "1") == "no-driver") return Gpus::kNoDriver;
  return device_count() > 0 ? Gpus::kPresent : Gpus::kNone;
}

int device_count() { return std::atoi(variable("SLUICE_EMULATED_GPUS", "1").c_str()); }

bool has_device(int device) { return device >= 0 && device < device_count(); }

size_t device_memory() {
  return std::strtoull(variable("SLUICE_EMULATED_MEMORY", "8192").c_str(), nullptr, 10) << 20;
}

ComputeCapability compute_capability() {
  ComputeCapability capability{5, 0};  // of a device too old for any kernel
  if (kernels_supported()) {
    std::sscanf(architecture().c_str(), "%d.%d", &capability.major, &capability.minor);
  }
  return capability;
}

bool kernels_supported() { return architecture() != "unsupported"; }

bool epilogues_supported() { return variable("SLUICE_EMULATED_EPILOGUES", "all") != "none"; }

}  // namespace sluice::emulator
