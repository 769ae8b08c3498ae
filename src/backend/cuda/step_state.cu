// The end of a step's forward pass, in one block: its metrics are added up, in the order of the
// rows, and the step is counted.
//
//   loss_sum += scale sum_n loss_n      correct += sum_n correct_n      step += 1
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void count_step_kernel(int64_t rows, double scale, const float* losses,
                                  const int* correct, StepState* state) {
  __shared__ double loss_sums[kBlock];
  __shared__ unsigned long long correct_sums[kBlock];
  double loss_sum = 0;
  unsigned long long correct_sum = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kBlock) {
    loss_sum += losses[n];
    correct_sum += static_cast<unsigned long long>(correct[n]);
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
  state->loss_sum += scale * loss_sums[0];
  state->correct += correct_sums[0];
  state->step += 1;
}

__global__ void add_losses_kernel(int64_t rows, double scale, const float* losses,
                                  StepState* state) {
  __shared__ double sums[kBlock];
  double sum = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kBlock) sum += losses[n];
  sums[threadIdx.x] = sum;
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) state->loss_sum += scale * sums[0];
}

}  // namespace

// --- Launchers ---

void add_losses(int64_t rows, double scale, const float* losses, StepState* state,
                cudaStream_t stream) {
  launch(add_losses_kernel, Grid{dim3(1), dim3(kBlock)}, stream, rows, scale, losses, state);
}

void count_step(int64_t rows, double scale, const float* losses, const int* correct,
                StepState* state, cudaStream_t stream) {
  launch(count_step_kernel, Grid{dim3(1), dim3(kBlock)}, stream, rows, scale, losses, correct,
         state);
}

}  // namespace sluice::backend::cuda
