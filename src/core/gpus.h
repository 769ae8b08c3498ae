// The NVIDIA GPUs that this process sees, as their driver lists them in /proc: without CUDA, which
// takes long to start.
#pragma once

#include <string>
#include <vector>

namespace sluice::core {

// Their UUIDs, "GPU-1f0c...": the same in every container of a machine, whatever CUDA calls them
// there. None where CUDA_VISIBLE_DEVICES names GPUs in another way, or the driver tells nothing:
// then only CUDA knows. `root`: of /proc, for tests.
std::vector<std::string> visible_gpus(const std::string& root = "");

}  // namespace sluice::core
