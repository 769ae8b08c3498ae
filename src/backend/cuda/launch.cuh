// How kernels are launched: always on a stream, always checked.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "backend/cuda/check.h"

#if defined(SLUICE_CUDA_EMULATED)
#include "emulator.h"  // the tests' emulator: the same sources on a machine without a GPU
#endif

namespace sluice::backend::cuda {

inline constexpr int kWarp = 32;  // threads
inline constexpr int kBlock = 256;

struct Grid {
  dim3 blocks;
  dim3 threads;
};

inline unsigned ceil_div(int64_t n, int64_t size) {
  return static_cast<unsigned>((n + size - 1) / size);
}

// For kernels that walk over n elements in strides of the whole grid; enough blocks to fill any
// card, not more than there is work.
inline Grid grid_for(int64_t n) {
  constexpr int64_t kMostBlocks = 2048;
  return {dim3(ceil_div(std::clamp<int64_t>(n, 1, kMostBlocks * kBlock), kBlock)), dim3(kBlock)};
}

// One thread to an item: first_index() is its number, and may be n or larger.
inline Grid thread_per_item(int64_t n) {
  return {dim3(ceil_div(std::max<int64_t>(n, 1), kBlock)), dim3(kBlock)};
}

// One warp to a row: row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x.
inline Grid warp_per_row(int64_t rows) {
  constexpr int kRows = kBlock / kWarp;
  return {dim3(ceil_div(rows, kRows)), dim3(kWarp, kRows)};
}

template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), const Grid& grid, cudaStream_t stream,
            Arguments... arguments) {
#if defined(SLUICE_CUDA_EMULATED)
  SLUICE_CHECKED(emulator::launch(grid.blocks, grid.threads, 0, stream,
                                  [=] { kernel(static_cast<Parameters>(arguments)...); }));
#else
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.stream = stream;
  SLUICE_CHECKED(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
#endif
}

}  // namespace sluice::backend::cuda
