// The columns of a batch's rows that several inputs, or the losses of several outputs, read.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void take_columns_kernel(int64_t width, int64_t begin, int64_t size, int64_t total,
                                    const float* from, int64_t to_width, int64_t to_begin,
                                    float* to) {
  for (int64_t i = first_index(); i < total; i += index_stride()) {
    const int64_t row = i / size, column = i % size;
    to[row * to_width + to_begin + column] = from[row * width + begin + column];
  }
}

}  // namespace

// --- Launchers ---

void take_columns(int64_t rows, int64_t width, int64_t begin, int64_t size, const float* from,
                  int64_t to_width, int64_t to_begin, float* to, cudaStream_t stream) {
  launch(take_columns_kernel, grid_for(rows * size), stream, width, begin, size, rows * size, from,
         to_width, to_begin, to);
}

}  // namespace sluice::backend::cuda
