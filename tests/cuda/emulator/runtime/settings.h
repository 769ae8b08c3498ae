// The environment variables that emulator.h describes.
#pragma once

#include <cstddef>

namespace sluice::emulator {

enum class Gpus { kPresent, kNone, kNoDriver };
Gpus gpus();
int device_count();
bool has_device(int device);
size_t device_memory();  // bytes of each device

struct ComputeCapability {
  int major, minor;
};
ComputeCapability compute_capability();
bool kernels_supported();
bool epilogues_supported();

}  // namespace sluice::emulator
