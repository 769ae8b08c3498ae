// Linear interpolation along one axis (InterpolateOp), a thread to each element:
//
//   interpolate            y[o] = (1 - w) x[low] + w x[high]
//   interpolate_backward   dx[i] = the sum over all o that i was mixed into, always in one order
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

struct Mix {
  int64_t low, high;
  float weight;
};

__device__ Mix mix_of(const Interpolation& shape, int64_t o) {
  const float at = (static_cast<float>(o) + 0.5f) / static_cast<float>(shape.factor) - 0.5f;
  const float below = floorf(at);
  const auto i = static_cast<int64_t>(below);
  return {i < 0 ? 0 : i, i + 1 < shape.n ? i + 1 : shape.n - 1, at - below};
}

// --- Kernels ---

__global__ void interpolate_kernel(Interpolation shape, int64_t size, const float* x, float* y) {
  const int64_t out = shape.n * shape.factor;
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const int64_t row = i / shape.inner;
    const Mix from = mix_of(shape, row % out);
    const float* column = x + row / out * shape.n * shape.inner + i % shape.inner;
    y[i] = (1.0f - from.weight) * column[from.low * shape.inner] +
           from.weight * column[from.high * shape.inner];
  }
}

__global__ void interpolate_backward_kernel(Interpolation shape, int64_t size, const float* dy,
                                            float* dx) {
  for (int64_t k = first_index(); k < size; k += index_stride()) {
    const int64_t row = k / shape.inner, i = row % shape.n;
    const float* column =
        dy + row / shape.n * shape.n * shape.factor * shape.inner + k % shape.inner;
    const int64_t first = i == 0 ? 0 : (i - 1) * shape.factor;
    const int64_t behind = (i + 2 < shape.n ? i + 2 : shape.n) * shape.factor;
    float sum = 0;
    for (int64_t o = first; o < behind; ++o) {
      const Mix from = mix_of(shape, o);
      const float factor =
          (from.low == i ? 1.0f - from.weight : 0.0f) + (from.high == i ? from.weight : 0.0f);
      if (factor != 0) sum += factor * column[o * shape.inner];
    }
    dx[k] = sum;
  }
}

}  // namespace

// --- Launchers ---

void interpolate(const Interpolation& shape, const float* x, float* y, cudaStream_t stream) {
  const int64_t size = shape.outer * shape.n * shape.factor * shape.inner;
  launch(interpolate_kernel, grid_for(size), stream, shape, size, x, y);
}

void interpolate_backward(const Interpolation& shape, const float* dy, float* dx,
                          cudaStream_t stream) {
  const int64_t size = shape.outer * shape.n * shape.inner;
  launch(interpolate_backward_kernel, grid_for(size), stream, shape, size, dy, dx);
}

}  // namespace sluice::backend::cuda
