// y = (x - center) scale + offset (AffineOp); dx = dy scale.
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

}  // namespace

// --- Launchers ---

void affine(const AffineFactors& factors, int64_t size, const float* x, float* y,
            cudaStream_t stream) {
  launch(affine_kernel, grid_for(size), stream, factors, size, x, y);
}

void affine_backward(const AffineFactors& factors, int64_t size, const float* dy, float* dx,
                     cudaStream_t stream) {
  launch(affine_backward_kernel, grid_for(size), stream, factors, size, dy, dx);
}

}  // namespace sluice::backend::cuda
