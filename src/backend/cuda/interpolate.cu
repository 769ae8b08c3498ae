// Interpolation along one axis (InterpolateOp), a thread to each element:
//
//   interpolate            y[o] = the sum of its elements x[i] times their weights
//   interpolate_backward   dx[i] = the sum over all o that i has a part in, always in one order
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void interpolate_kernel(Interpolation shape, int64_t size, const float* weights,
                                   const float* x, float* y) {
  const int64_t out = shape.n * shape.factor;
  for (int64_t k = first_index(); k < size; k += index_stride()) {
    const int64_t row = k / shape.inner, o = row % out;
    const int64_t first = shape.first(o / shape.factor, o % shape.factor);
    const float* column = x + row / out * shape.n * shape.inner + k % shape.inner;
    float sum = 0;
    for (int64_t tap = 0; tap < shape.taps(); ++tap) {
      const float weight = weights[o * shape.taps() + tap];
      if (weight != 0) sum += weight * column[(first + tap) * shape.inner];
    }
    y[k] = sum;
  }
}

__global__ void interpolate_backward_kernel(Interpolation shape, int64_t size, const float* weights,
                                            const float* dy, float* dx) {
  for (int64_t k = first_index(); k < size; k += index_stride()) {
    const int64_t row = k / shape.inner, i = row % shape.n;
    const float* column =
        dy + row / shape.n * shape.n * shape.factor * shape.inner + k % shape.inner;
    float sum = 0;
    for (int64_t q = shape.begin_of(i); q < shape.end_of(i); ++q) {
      for (int64_t p = 0; p < shape.factor; ++p) {
        const int64_t tap = i - shape.first(q, p), o = q * shape.factor + p;
        if (tap < 0 || tap >= shape.taps()) continue;
        sum += weights[o * shape.taps() + tap] * column[o * shape.inner];
      }
    }
    dx[k] = sum;
  }
}

}  // namespace

// --- Launchers ---

void interpolate(const Interpolation& shape, const float* weights, const float* x, float* y,
                 cudaStream_t stream) {
  const int64_t size = shape.outer * shape.n * shape.factor * shape.inner;
  launch(interpolate_kernel, grid_for(size), stream, shape, size, weights, x, y);
}

void interpolate_backward(const Interpolation& shape, const float* weights, const float* dy,
                          float* dx, cudaStream_t stream) {
  const int64_t size = shape.outer * shape.n * shape.inner;
  launch(interpolate_backward_kernel, grid_for(size), stream, shape, size, weights, dy, dx);
}

}  // namespace sluice::backend::cuda
