// One GPU as a Backend.
#pragma once

#include <memory>

#include "backend/cuda/device.h"
#include "backend/cuda_plugin.h"

namespace sluice::backend::cuda {

std::shared_ptr<Backend> make_cuda_backend(const GpuInfo& gpu, int64_t memory_bytes);

}  // namespace sluice::backend::cuda
