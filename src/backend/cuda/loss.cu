// Losses, their gradients and whether a target is met, fused; one warp to a row. A row is one
// position of one sample; with z [rows, K] what the last layer computed, y [rows, K] the target (or
// its class k, y_j = (j == k)):
//
//   mean squared error             mean_j (z_j - y_j)^2
//   crossentropy of logits         -sum_j y_j log softmax(z)_j
//                                  gradient (sum y) softmax(z) - y
//   crossentropy of probabilities  -sum_j y_j log clip(q_j), q = z / sum z, clipped to
//                                  [1e-7, 1 - 1e-7]; no gradient where the clip cuts
//
// Gradients are of the mean over the rows. Definitions and "accuracy" as backend/cpu/loss.cc; a
// row's loss is added up in float32, a batch's (step_state.cu) in double.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

constexpr float kEpsilon = 1e-7f;

// --- Kernels ---

// The target of one row.
struct Target {
  const float* values;  // [K], or nullptr
  int64_t number;       // of the class, where there are no values

  __device__ float at(int64_t j) const {
    return values != nullptr ? values[j] : (j == number ? 1.0f : 0.0f);
  }
};

__device__ float clip(float q) { return fminf(fmaxf(q, kEpsilon), 1.0f - kEpsilon); }

// Each returns the loss; `gradient` [K], of scale times the loss, is written unless it is nullptr.

__device__ float squared_error(int64_t outputs, const float* z, const Target& target, float scale,
                               float* gradient) {
  float sum = 0;
  for (int64_t j = threadIdx.x; j < outputs; j += kWarp) {
    const float error = z[j] - target.at(j);
    sum += error * error;
    if (gradient != nullptr) gradient[j] = 2 * scale / static_cast<float>(outputs) * error;
  }
  return warp_sum(sum) / static_cast<float>(outputs);
}

__device__ float crossentropy_of_logits(int64_t outputs, const float* z, const Target& target,
                                        float scale, float* gradient) {
  float most = -INFINITY;
  for (int64_t j = threadIdx.x; j < outputs; j += kWarp) most = fmaxf(most, z[j]);
  most = warp_max(most);
  float sum = 0, mass = 0, dot = 0;
  for (int64_t j = threadIdx.x; j < outputs; j += kWarp) {
    sum += expf(z[j] - most);
    mass += target.at(j);
    if (target.at(j) != 0) dot += target.at(j) * (z[j] - most);  // 0 times -inf is 0
  }
  sum = warp_sum(sum);
  mass = warp_sum(mass);
  dot = warp_sum(dot);
  if (gradient != nullptr) {
    for (int64_t j = threadIdx.x; j < outputs; j += kWarp) {
      gradient[j] = scale * (mass * expf(z[j] - most) / sum - target.at(j));
    }
  }
  return mass * logf(sum) - dot;
}

__device__ float crossentropy_of_probabilities(int64_t outputs, const float* z,
                                               const Target& target, float scale, float* gradient) {
  float sum = 0;
  for (int64_t j = threadIdx.x; j < outputs; j += kWarp) sum += z[j];
  sum = warp_sum(sum);
  float loss = 0, passing = 0;
  for (int64_t j = threadIdx.x; j < outputs; j += kWarp) {
    const float q = z[j] / sum;
    if (target.at(j) != 0) loss -= target.at(j) * logf(clip(q));
    if (q == clip(q)) passing += target.at(j);
  }
  passing = warp_sum(passing);
  if (gradient != nullptr) {
    for (int64_t j = threadIdx.x; j < outputs; j += kWarp) {
      const float q = z[j] / sum;
      const float own = q == clip(q) ? target.at(j) / q : 0.0f;
      gradient[j] = scale / sum * (passing - own);
    }
  }
  return warp_sum(loss);
}

// The place of the first largest of z_0, z_1, ..., NaN passed over; 0 where there is nothing else.
template <typename Values>
__device__ int64_t first_largest(int64_t size, const Values& z) {
  float most = -INFINITY;
  int64_t best = 0;
  for (int64_t j = threadIdx.x; j < size; j += kWarp) {
    if (z(j) > most) {
      most = z(j);
      best = j;
    }
  }
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float other = __shfl_xor_sync(kAllLanes, most, mask);
    const auto place =
        static_cast<int64_t>(__shfl_xor_sync(kAllLanes, static_cast<long long>(best), mask));
    if (other > most || (other == most && place < best)) {
      most = other;
      best = place;
    }
  }
  return best;
}

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
  if (shape.outputs == 1) {
    const float wanted =
        target.values != nullptr ? target.values[0] : static_cast<float>(target.number);
    const bool predicted = shape.logits ? isfinite(z[0]) : z[0] > 0.5f;  // softmax of one is 1
    return wanted == (predicted ? 1.0f : 0.0f);
  }
  const int64_t wanted =
      target.values == nullptr
          ? target.number
          : first_largest(shape.outputs, [&](int64_t j) { return target.values[j]; });
  int64_t predicted = first_largest(shape.outputs, [&](int64_t j) { return z[j]; });
  if (shape.logits && softmax_is_nan(shape.outputs, z, predicted)) predicted = 0;
  return predicted == wanted;
}

__global__ void loss_kernel(LossShape shape, const float* z, const float* targets, float* gradient,
                            float* losses, int* correct) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= shape.rows) return;
  const int64_t outputs = shape.outputs;
  z += n * outputs;
  if (gradient != nullptr) gradient += n * outputs;
  const bool sparse = shape.loss == Loss::kSparseCategoricalCrossentropy;
  const Target target{sparse ? nullptr : targets + n * outputs,
                      sparse ? static_cast<int64_t>(targets[n]) : -1};
  const float scale = 1.0f / static_cast<float>(shape.rows);
  float loss;
  if (shape.loss == Loss::kMeanSquaredError) {
    loss = squared_error(outputs, z, target, scale, gradient);
  } else if (shape.logits) {
    loss = crossentropy_of_logits(outputs, z, target, scale, gradient);
  } else {
    loss = crossentropy_of_probabilities(outputs, z, target, scale, gradient);
  }
  const bool met = is_met(shape, z, target);
  if (threadIdx.x != 0) return;
  losses[n] = loss;
  correct[n] = met ? 1 : 0;
}

}  // namespace

// --- Launchers ---

void compute_loss(const LossShape& shape, const float* z, const float* targets, float* gradient,
                  float* losses, int* correct, cudaStream_t stream) {
  launch(loss_kernel, warp_per_row(shape.rows), stream, shape, z, targets, gradient, losses,
         correct);
}

}  // namespace sluice::backend::cuda
