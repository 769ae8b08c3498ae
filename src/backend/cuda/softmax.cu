// Softmax over the last axis, inside a model (behind the last layer it comes with the loss).
//
//   y_rk = exp(x_rk - max_j x_rj) / sum_j exp(x_rj - max_j x_rj)     x, y [rows, columns]
//   dx_rk = (dy_rk - sum_j dy_rj y_rj) y_rk
//
// One warp to a row.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void softmax_kernel(int64_t rows, int64_t columns, const float* x, float* y) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  x += row * columns;
  y += row * columns;
  float most = -INFINITY;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) most = fmaxf(most, x[k]);
  most = warp_max(most);
  float sum = 0;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) sum += expf(x[k] - most);
  sum = warp_sum(sum);
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) y[k] = expf(x[k] - most) / sum;
}

__global__ void softmax_backward_kernel(int64_t rows, int64_t columns, const float* y,
                                        const float* dy, float* dx) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t at = row * columns;
  float dot = 0;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) dot += dy[at + k] * y[at + k];
  dot = warp_sum(dot);
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) {
    dx[at + k] = (dy[at + k] - dot) * y[at + k];
  }
}

}  // namespace

// --- Launchers ---

void softmax(int64_t rows, int64_t columns, const float* x, float* y, cudaStream_t stream) {
  launch(softmax_kernel, warp_per_row(rows), stream, rows, columns, x, y);
}

void softmax_backward(int64_t rows, int64_t columns, const float* y, const float* dy, float* dx,
                      cudaStream_t stream) {
  launch(softmax_backward_kernel, warp_per_row(rows), stream, rows, columns, y, dy, dx);
}

}  // namespace sluice::backend::cuda
