// Elementwise arithmetic on several inputs (MergeOp):
//
//   merge            y_i = f(x_1i op ... op x_ni)
//   merge_backward   dx_ki from dy_i behind f's derivative; a maximum's or minimum's gradient goes
//                    to the first input that has it
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

using Kind = MergeOp::Kind;

// --- Kernels ---

// NaN is passed on, as by the CPU.
__device__ float merged(Kind kind, float a, float b) {
  switch (kind) {
    case Kind::kAdd:
    case Kind::kAverage:
      return a + b;
    case Kind::kSubtract:
      return a - b;
    case Kind::kMultiply:
      return a * b;
    case Kind::kMaximum:
      return b > a || b != b ? b : a;
    default:
      return b < a || b != b ? b : a;
  }
}

__global__ void merge_kernel(Kind kind, Activation activation, MergeInputs inputs, int64_t size,
                             float* y) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    float value = inputs.x[0][i];
    for (int k = 1; k < inputs.count; ++k) value = merged(kind, value, inputs.x[k][i]);
    if (kind == Kind::kAverage) value *= 1.0f / inputs.count;
    y[i] = activate(activation, value);
  }
}

// What dy is multiplied by.
__device__ float factor(Kind kind, const MergeInputs& inputs, int input, int64_t i, float y) {
  switch (kind) {
    case Kind::kAdd:
      return 1;
    case Kind::kSubtract:
      return input == 0 ? 1.0f : -1.0f;
    case Kind::kAverage:
      return 1.0f / inputs.count;
    case Kind::kMultiply: {
      float product = 1;
      for (int k = 0; k < inputs.count; ++k) {
        if (k != input) product *= inputs.x[k][i];
      }
      return product;
    }
    default:
      for (int k = 0; k < input; ++k) {
        if (inputs.x[k][i] == y) return 0;
      }
      return inputs.x[input][i] == y ? 1.0f : 0.0f;
  }
}

__global__ void merge_backward_kernel(Kind kind, MergeInputs inputs, int input, int64_t size,
                                      const float* y, const float* dy, float* dx) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    dx[i] = dy[i] * factor(kind, inputs, input, i, y[i]);
  }
}

}  // namespace

// --- Launchers ---

void merge(Kind kind, const Activation& activation, const MergeInputs& inputs, int64_t size,
           float* y, cudaStream_t stream) {
  launch(merge_kernel, grid_for(size), stream, kind, activation, inputs, size, y);
}

void merge_backward(Kind kind, const MergeInputs& inputs, int input, int64_t size, const float* y,
                    const float* dy, float* dx, cudaStream_t stream) {
  launch(merge_backward_kernel, grid_for(size), stream, kind, inputs, input, size, y, dy, dx);
}

}  // namespace sluice::backend::cuda
