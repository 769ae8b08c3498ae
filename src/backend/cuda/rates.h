// How fast a GPU copies and multiplies, which bounds the speed of a training step.
#pragma once

#include "backend/cuda_plugin.h"

namespace sluice::backend::cuda {

// Medians of a few rounds, timed on the device: copies within its memory, and products of square
// matrices of random numbers by cuBLASLt in each precision.
Result<GpuRates> measure_rates(const GpuInfo& gpu, const GpuRateSizes& sizes);

}  // namespace sluice::backend::cuda
