// The end of a step's forward pass, in one block: its metrics are added up, in the order of the
// rows, and the step is counted.
//
//   loss_sum += weight sum_n loss_n      counters += scale sum_n loss_n, sum_n correct_n
//   step += 1
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

// By all threads of the block.
__device__ void add_up(const RowSums& rows, StepState* state) {
  double loss_sum = 0, correct_sum = 0;
  for (int64_t n = threadIdx.x; n < rows.rows; n += kBlock) {
    loss_sum += rows.losses[n];
    correct_sum += rows.correct[n];
  }
  loss_sum = block_sum(loss_sum);
  correct_sum = block_sum(correct_sum);
  if (threadIdx.x != 0) return;
  state->loss_sum += rows.weight * loss_sum;
  if (rows.loss_counter != nullptr) *rows.loss_counter += rows.scale * loss_sum;
  if (rows.correct_counter != nullptr) *rows.correct_counter += correct_sum;
}

__global__ void count_step_kernel(RowSums rows, StepState* state) {
  add_up(rows, state);
  if (threadIdx.x == 0) state->step += 1;
}

__global__ void add_rows_kernel(RowSums rows, StepState* state) { add_up(rows, state); }

}  // namespace

// --- Launchers ---

void count_step(const RowSums& sums, StepState* state, cudaStream_t stream) {
  launch(count_step_kernel, Grid{dim3(1), dim3(kBlock)}, stream, sums, state);
}

void add_rows(const RowSums& sums, StepState* state, cudaStream_t stream) {
  launch(add_rows_kernel, Grid{dim3(1), dim3(kBlock)}, stream, sums, state);
}

}  // namespace sluice::backend::cuda
