// Losses, their gradients and whether a target is met, fused; one warp to a row. A row is one
// position of one sample. Formulas: backend/loss_rows.h and accuracy_rows.h, which the CPU has too.
// Gradients are of the mean over the rows that have a loss. A row's loss is added up in float32, a
// batch's (step_state.cu) in double.
#include "backend/accuracy_rows.h"
#include "backend/cuda/device_math.cuh"
#include "backend/cuda/lanes.cuh"
#include "backend/loss_rows.h"
#include "loss/traits.h"

namespace sluice::backend::cuda {
namespace {

using loss_rows::Target;
using loss_rows::TargetLayout;

// --- Kernels ---

// The class whose rows have no loss, if any.
struct Ignored {
  bool any;
  float number;

  __device__ bool is(float label) const { return any && label == number; }
};

// The rows that have a loss, at least 1; in one block.
__global__ void count_kernel(Ignored ignored, LossShape shape, const float* targets,
                             double* counted) {
  const TargetLayout layout(shape.positions, 1, shape.weighted);
  double count = 0;
  for (int64_t n = threadIdx.x; n < shape.rows; n += kBlock) {
    count += ignored.is(targets[layout.target(n)]) ? 0 : 1;
  }
  count = block_sum(count);
  if (threadIdx.x == 0) *counted = count > 0 ? count : 1;
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
  const bool met = accuracy_rows::is_met(Lanes(), shape.activation, outputs, z, target);
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
  const bool met = accuracy_rows::is_met(Lanes(), shape.activation, shape.outputs,
                                         z + n * shape.outputs, target);
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
