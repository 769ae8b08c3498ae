// y = (x - center) scale + offset (AffineOp); dx = dy scale. And what means and variances come to
// as such factors (StandardizeOp).
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void affine_kernel(AffineFactors factors, int64_t size, const float* x, float* y) {
  const auto columns = static_cast<unsigned>(factors.columns);
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const unsigned c = static_cast<unsigned>(i) % columns;
    y[i] = (x[i] - factors.center[c]) * factors.scale[c] + factors.offset[c];
  }
}

__global__ void affine_backward_kernel(AffineFactors factors, int64_t size, const float* dy,
                                       float* dx) {
  const auto columns = static_cast<unsigned>(factors.columns);
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    dx[i] = dy[i] * factors.scale[static_cast<unsigned>(i) % columns];
  }
}

__global__ void standardizing_factors_kernel(bool invert, int64_t columns, const float* mean,
                                             const float* variance, float* numbers) {
  for (int64_t i = first_index(); i < columns; i += index_stride()) {
    const float deviation = fmaxf(sqrtf(variance[i]), 1e-7f);
    numbers[i] = invert ? 0.0f : mean[i];
    numbers[columns + i] = invert ? deviation : 1.0f / deviation;
    numbers[2 * columns + i] = invert ? mean[i] : 0.0f;
  }
}

}  // namespace

// --- Launchers ---

void affine(const AffineFactors& factors, int64_t size, const float* x, float* y,
            cudaStream_t stream) {
  launch(affine_kernel, grid_for(size), stream, factors, size, x, y);
}

void standardizing_factors(bool invert, int64_t columns, const float* mean, const float* variance,
                           float* numbers, cudaStream_t stream) {
  launch(standardizing_factors_kernel, grid_for(columns), stream, invert, columns, mean, variance,
         numbers);
}

void affine_backward(const AffineFactors& factors, int64_t size, const float* dy, float* dx,
                     cudaStream_t stream) {
  launch(affine_backward_kernel, grid_for(size), stream, factors, size, dy, dx);
}

}  // namespace sluice::backend::cuda
