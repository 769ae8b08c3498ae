// The end of a step's forward pass, in one block: its metrics are added up, in the order of the
// rows, the step is counted, and what its optimizer needs of the count is computed.
//
//   loss_sum += sum_n loss_n      correct += sum_n correct_n      t = step += 1
//   Adam: step_size = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)     as optim::Optimizer
#include "backend/cuda/device_math.cuh"
#include "optim/kind.h"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

struct AdamRates {
  bool used;
  float learning_rate, beta_1, beta_2;
};

__global__ void count_step_kernel(AdamRates adam, int64_t rows, const float* losses,
                                  const int* correct, StepState* state) {
  __shared__ double loss_sums[kBlock];
  __shared__ unsigned long long correct_sums[kBlock];
  __shared__ double powers[2];
  double loss_sum = 0;
  unsigned long long correct_sum = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kBlock) {
    loss_sum += losses[n];
    correct_sum += static_cast<unsigned long long>(correct[n]);
  }
  // Powers take a thread long: two other warps compute them meanwhile.
  if (adam.used && threadIdx.x % kWarp == 0 && threadIdx.x / kWarp - 1 < 2) {
    const double beta = threadIdx.x == kWarp ? adam.beta_1 : adam.beta_2;
    powers[threadIdx.x / kWarp - 1] = pow(beta, static_cast<double>(state->step + 1));
  }
  loss_sums[threadIdx.x] = loss_sum;
  correct_sums[threadIdx.x] = correct_sum;
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      loss_sums[threadIdx.x] += loss_sums[threadIdx.x + half];
      correct_sums[threadIdx.x] += correct_sums[threadIdx.x + half];
    }
  }
  if (threadIdx.x != 0) return;
  state->loss_sum += loss_sums[0];
  state->correct += correct_sums[0];
  state->step += 1;
  if (!adam.used) return;
  state->adam_step_size =
      static_cast<float>(adam.learning_rate * sqrt(1 - powers[1]) / (1 - powers[0]));
}

}  // namespace

// --- Launchers ---

void count_step(const OptimizerSpec& spec, int64_t rows, const float* losses, const int* correct,
                StepState* state, cudaStream_t stream) {
  launch(count_step_kernel, Grid{dim3(1), dim3(kBlock)}, stream,
         AdamRates{optim::kind_of(spec) == optim::Kind::kAdam, spec.learning_rate, spec.beta_1,
                   spec.beta_2},
         rows, losses, correct, state);
}

}  // namespace sluice::backend::cuda
