// Small kernels for the emulator's tests, launched as the project launches its own.
#pragma once

#include <cuda_runtime_api.h>

namespace sluice::emulator::testing {

// y[i] = factor x[i]
cudaError_t scale(const float* x, float* y, int count, float factor, cudaStream_t stream);
// y[i] += x[i]
cudaError_t add(const float* x, float* y, int count, cudaStream_t stream);

// *sum += x[0] + ... + x[count - 1], by shared memory and barriers, or by shuffles.
cudaError_t sum_by_barriers(const float* x, float* sum, int count, cudaStream_t stream);
cudaError_t sum_by_shuffles(const float* x, float* sum, int count, cudaStream_t stream);

// Reverses 64 numbers through shared memory, rightly or without the barrier.
cudaError_t reverse(int* x, cudaStream_t stream);
cudaError_t reverse_without_barrier(int* x, cudaStream_t stream);

// *first = which of 32 threads runs first.
cudaError_t first_thread(unsigned* first, cudaStream_t stream);

// y[i] = what thread i of 32 gets from each operation on its index; see kernels.cu.
constexpr int kWarpResults = 10;
cudaError_t warp_operations(int* y, cudaStream_t stream);

// Block and thread coordinates, one per thread of a (2, 3, 2) grid of (4, 2, 3) blocks.
constexpr int kCoordinateThreads = 12 * 24;
cudaError_t coordinates(int* y, cudaStream_t stream);

// Kernels whose threads wait in vain.
cudaError_t barrier_of_some(cudaStream_t stream);
cudaError_t shuffle_of_some(cudaStream_t stream);
cudaError_t shuffle_outside_of_mask(cudaStream_t stream);
cudaError_t shuffle_from_returned_lane(cudaStream_t stream);

// Lets half of a warp return, the others vote: y[0] is their ballot.
cudaError_t ballot_after_return(unsigned* y, cudaStream_t stream);

// y[i] = x[i] as bfloat16, as the device's intrinsics round.
cudaError_t to_bfloat16(const float* x, unsigned short* y, int count, cudaStream_t stream);

cudaError_t nothing(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);

// *x += 1, with all threads of the grid.
cudaError_t count_threads(unsigned* x, dim3 grid, dim3 block, cudaStream_t stream);

}  // namespace sluice::emulator::testing
