// Softmax over an axis, inside a model (behind the last layer it comes with the loss).
//
//   y_rk = exp(x_rk - max_j x_rj) / sum_j exp(x_rj - max_j x_rj)
//   dx_rk = (dy_rk - sum_j dy_rj y_rj) y_rk
//
// Or its logarithm:
//
//   y_rk = x_rk - max_j x_rj - log(sum_j exp(x_rj - max_j x_rj))
//   dx_rk = dy_rk - exp(y_rk) sum_j dy_rj
//
// One warp to a row. The elements of a row lie `inner` apart (SoftmaxRows).
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

// Where a row begins.
__device__ int64_t first_of(int64_t row, int64_t columns, int64_t inner) {
  return row / inner * columns * inner + row % inner;
}

__global__ void softmax_kernel(bool log, int64_t rows, int64_t columns, int64_t inner,
                               const float* x, float* y) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  x += first_of(row, columns, inner);
  y += first_of(row, columns, inner);
  float most = -INFINITY;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) most = fmaxf(most, x[k * inner]);
  most = warp_max(most);
  float sum = 0;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) sum += expf(x[k * inner] - most);
  sum = warp_sum(sum);
  const float log_sum = log ? logf(sum) : 0.0f;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) {
    const float z = x[k * inner] - most;
    y[k * inner] = log ? z - log_sum : expf(z) / sum;
  }
}

__global__ void softmax_backward_kernel(bool log, int64_t rows, int64_t columns, int64_t inner,
                                        const float* y, const float* dy, float* dx) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  y += first_of(row, columns, inner);
  dy += first_of(row, columns, inner);
  dx += first_of(row, columns, inner);
  float sum = 0;
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) {
    sum += log ? dy[k * inner] : dy[k * inner] * y[k * inner];
  }
  sum = warp_sum(sum);
  for (int64_t k = threadIdx.x; k < columns; k += kWarp) {
    const int64_t at = k * inner;
    dx[at] = log ? dy[at] - expf(y[at]) * sum : (dy[at] - sum) * y[at];
  }
}

}  // namespace

// --- Launchers ---

void softmax(bool log, int64_t outer, const SoftmaxRows& rows, const float* x, float* y,
             cudaStream_t stream) {
  const int64_t count = outer * rows.outer * rows.inner;
  launch(softmax_kernel, warp_per_row(count), stream, log, count, rows.columns, rows.inner, x, y);
}

void softmax_backward(bool log, int64_t outer, const SoftmaxRows& rows, const float* y,
                      const float* dy, float* dx, cudaStream_t stream) {
  const int64_t count = outer * rows.outer * rows.inner;
  launch(softmax_backward_kernel, warp_per_row(count), stream, log, count, rows.columns, rows.inner,
         y, dy, dx);
}

}  // namespace sluice::backend::cuda
