// Gradients clipped by their norm, of each parameter or of all together (optim/norm_clip.h).
//
// A parameter is cut into blocks of kNormBlock floats; each block's squares are added up by one
// block of threads, and those sums by another, always in the same order.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void square_blocks_kernel(const NormBlock* blocks, const float* g, double* squares) {
  const NormBlock block = blocks[blockIdx.x];
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < block.size; i += kBlock) {
    const double x = g[block.begin + i];
    sum += x * x;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) squares[blockIdx.x] = sum;
}

__global__ void square_parameters_kernel(const int* first_blocks, const double* of_blocks,
                                         double* of_parameters) {
  double sum = 0;
  const int end = first_blocks[blockIdx.x + 1];
  for (int i = first_blocks[blockIdx.x] + static_cast<int>(threadIdx.x); i < end; i += kBlock) {
    sum += of_blocks[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) of_parameters[blockIdx.x] = sum;
}

__global__ void scale_blocks_kernel(optim::NormClip clip, double factor, const NormBlock* blocks,
                                    int parameters, const double* of_parameters, float* g) {
  const NormBlock block = blocks[blockIdx.x];
  double all = 0;
  if (clip.global > 0) {
    for (int i = static_cast<int>(threadIdx.x); i < parameters; i += kBlock) {
      all += of_parameters[i];
    }
    all = block_sum(all);
  }
  const double square = factor * factor;
  const auto scale = static_cast<float>(
      optim::clip_scale(clip, square * of_parameters[block.parameter], square * all));
  if (scale == 1.0f) return;
  for (int i = static_cast<int>(threadIdx.x); i < block.size; i += kBlock) {
    g[block.begin + i] *= scale;
  }
}

}  // namespace

// --- Launchers ---

void clip_by_norm(const NormBlocks& blocks, const optim::NormClip& clip, float factor, float* g,
                  cudaStream_t stream) {
  if (blocks.count == 0) return;
  const auto grid = [](int count) {
    return Grid{dim3(static_cast<unsigned>(count)), dim3(kBlock)};
  };
  launch(square_blocks_kernel, grid(blocks.count), stream, blocks.table, g, blocks.squares);
  launch(square_parameters_kernel, grid(blocks.parameters), stream, blocks.first_blocks,
         blocks.squares, blocks.squares + blocks.count);
  launch(scale_blocks_kernel, grid(blocks.count), stream, clip, static_cast<double>(factor),
         blocks.table, blocks.parameters, blocks.squares + blocks.count, g);
}

}  // namespace sluice::backend::cuda
