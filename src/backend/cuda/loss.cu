// Losses, their gradients and whether a target is met, fused; one warp to a row. A row is one
// position of one sample. Formulas: backend/loss_rows.h, which the CPU has too; "accuracy" as
// backend/cpu/loss.cc. Gradients are of the mean over the rows that have a loss. A row's loss is
// added up in float32, a batch's (step_state.cu) in double.
#include "backend/cuda/device_math.cuh"
#include "backend/cuda/lanes.cuh"
#include "backend/loss_rows.h"
#include "loss/traits.h"

namespace sluice::backend::cuda {
namespace {

using loss_rows::Target;
using loss_rows::TargetLayout;

// --- Kernels ---

// One NaN or infinity among the logits makes every probability NaN.
__device__ bool softmax_is_nan(int64_t size, const float* z, int64_t largest) {
  float nans = 0;
  for (int64_t j = threadIdx.x; j < size; j += kWarp) {
    if (isnan(z[j] - z[largest])) nans = 1;
  }
  return warp_max(nans) > 0;
}

// Keras' accuracy: binary for one output, otherwise by the first largest.
__device__ bool is_met(const LossShape& shape, const float* z, const Target& target) {
  const auto output = [&](int64_t j) {
    return shape.activation.kind == Activation::kSigmoid ? loss_rows::sigmoid(z[j]) : z[j];
  };
  const bool softmax = shape.activation.kind == Activation::kSoftmax;
  if (shape.outputs == 1) {
    const float wanted =
        target.values != nullptr ? target.values[0] : static_cast<float>(target.number);
    const bool predicted = softmax ? isfinite(z[0]) : output(0) > 0.5f;  // softmax of one is 1
    return wanted == (predicted ? 1.0f : 0.0f);
  }
  const int64_t wanted =
      target.values == nullptr
          ? target.number
          : first_largest(shape.outputs, [&](int64_t j) { return target.values[j]; });
  int64_t predicted = first_largest(shape.outputs, output);
  if (softmax && softmax_is_nan(shape.outputs, z, predicted)) predicted = 0;
  return predicted == wanted;
}

// The class whose rows have no loss, if any.
struct Ignored {
  bool any;
  float number;

  __device__ bool is(float label) const { return any && label == number; }
};

// The rows that have a loss, at least 1; in one block.
__global__ void count_kernel(Ignored ignored, LossShape shape, const float* targets,
                             double* counted) {
  __shared__ int counts[kBlock];
  const TargetLayout layout(shape.positions, 1, shape.weighted);
  int count = 0;
  for (int64_t n = threadIdx.x; n < shape.rows; n += kBlock) {
    count += ignored.is(targets[layout.target(n)]) ? 0 : 1;
  }
  counts[threadIdx.x] = count;
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) counts[threadIdx.x] += counts[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *counted = counts[0] > 0 ? counts[0] : 1;
}

template <typename Loss>
__global__ void loss_kernel(Loss loss, LossShape shape, bool by_class, Ignored ignored,
                            const double* counted, const float* z, const float* targets,
                            float* gradient, float* losses, int* correct) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= shape.rows) return;
  const int64_t outputs = shape.outputs;
  z += n * outputs;
  if (gradient != nullptr) gradient += n * outputs;
  const TargetLayout layout(shape.positions, by_class ? 1 : outputs, shape.weighted);
  const float* const row = targets + layout.target(n);
  const Target target{by_class ? nullptr : row, by_class ? static_cast<int64_t>(*row) : -1};
  const auto rows = static_cast<float>(shape.rows);
  const float weight = shape.weighted ? targets[layout.weight(n)] : 1.0f;
  const float having_one = ignored.any ? static_cast<float>(*counted) : rows;
  const float scale = shape.weight * weight / having_one;
  float row_loss = 0;
  if (by_class && ignored.is(*row)) {
    if (gradient != nullptr) Lanes().each(outputs, [&](int64_t j) { gradient[j] = 0; });
  } else {
    row_loss = loss_rows::loss_of_row(loss, Lanes(), outputs, z, target, scale, gradient);
  }
  const bool met = is_met(shape, z, target);
  if (threadIdx.x != 0) return;
  losses[n] = row_loss * weight * (rows / having_one);
  correct[n] = met ? 1 : 0;
}

__global__ void met_kernel(LossShape shape, bool by_class, const float* z, const float* targets,
                           int* correct) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= shape.rows) return;
  const TargetLayout layout(shape.positions, by_class ? 1 : shape.outputs, shape.weighted);
  const float* const row = targets + layout.target(n);
  const Target target{by_class ? nullptr : row, by_class ? static_cast<int64_t>(*row) : -1};
  const bool met = is_met(shape, z + n * shape.outputs, target);
  if (threadIdx.x == 0) correct[n] = met ? 1 : 0;
}

}  // namespace

// --- Launchers ---

size_t loss_scratch(const LossSpec& loss, const LossShape& shape) {
  return std::max<size_t>(batch_loss_scratch(loss, shape), 1);
}

void compute_loss(const LossSpec& loss, const LossShape& shape, const float* z,
                  const float* targets, float* gradient, float* losses, int* correct,
                  double* scratch, cudaStream_t stream) {
  const bool by_class = loss::traits_of(loss).class_target == loss::ClassTarget::kNumber;
  if (batch_losses::is_of_batch(loss)) {
    launch(met_kernel, warp_per_row(shape.rows), stream, shape, by_class, z, targets, correct);
    return compute_batch_loss(loss, shape, z, targets, gradient, losses, scratch, stream);
  }
  const auto* sparse = std::get_if<SparseCategoricalCrossentropy>(&loss.loss);
  Ignored ignored{false, 0};
  if (sparse != nullptr && sparse->ignore_class) {
    ignored = {true, static_cast<float>(*sparse->ignore_class)};
    launch(count_kernel, Grid{dim3(1), dim3(kBlock)}, stream, ignored, shape, targets, scratch);
  }
  const LossSpec spec = shape.activation == Activation::kLinear ? loss : loss::of_logits(loss);
  std::visit(
      [&]<typename Loss>(const Loss& one) {
        if constexpr (!batch_losses::kOfBatch<Loss>) {
          launch(loss_kernel<Loss>, warp_per_row(shape.rows), stream, one, shape, by_class, ignored,
                 scratch, z, targets, gradient, losses, correct);
        }
      },
      spec.loss);
}

}  // namespace sluice::backend::cuda
