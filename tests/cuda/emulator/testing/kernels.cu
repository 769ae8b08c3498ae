#include <cuda_bf16.h>

#include "testing/kernels.h"

#if !defined(SLUICE_CUDA_EMULATED)
#error "sluice_emulated_cuda_sources() defines SLUICE_CUDA_EMULATED"
#endif

namespace sluice::emulator::testing {
namespace {

constexpr int kBlock = 256;
constexpr unsigned kFullMask = 0xffffffffu;

dim3 blocks(int count) { return dim3((count + kBlock - 1) / kBlock); }

__device__ __forceinline__ int global_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

__global__ void __launch_bounds__(kBlock)
    scale_kernel(const float* __restrict__ x, float* __restrict__ y, int count, float factor) {
  const int i = global_index();
  if (i < count) y[i] = factor * __ldg(x + i);
}

__global__ void add_kernel(const float* x, float* y, int count) {
  const int i = global_index();
  if (i < count) y[i] += x[i];
}

__global__ void sum_by_barriers_kernel(const float* x, float* sum, int count) {
  __shared__ float parts[kBlock];
  const int i = global_index();
  parts[threadIdx.x] = i < count ? x[i] : 0.0f;
  __syncthreads();
#pragma unroll
  for (int half = kBlock / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(sum, parts[0]);
}

template <typename T>
__device__ T sum_of_warp(T value) {
  for (int lanes = warpSize / 2; lanes > 0; lanes /= 2) {
    value += __shfl_down_sync(kFullMask, value, lanes);
  }
  return value;
}

__global__ void sum_by_shuffles_kernel(const float* x, float* sum, int count) {
  __shared__ float parts[kBlock / 32];
  const int i = global_index();
  float value = sum_of_warp(i < count ? x[i] : 0.0f);
  const int warp = threadIdx.x / warpSize, lane = threadIdx.x % warpSize;
  if (lane == 0) parts[warp] = value;
  __syncthreads();
  if (warp > 0) return;
  value = sum_of_warp(lane < kBlock / warpSize ? parts[lane] : 0.0f);
  if (lane == 0) atomicAdd(sum, value);
}

template <bool kBarrier>
__global__ void reverse_kernel(int* x) {
  __shared__ int turned[64];
  turned[63 - threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  x[threadIdx.x] = turned[threadIdx.x];
}

__global__ void first_thread_kernel(unsigned* first) {
  __shared__ unsigned started;
  if (threadIdx.x == 0) started = 0;
  __syncthreads();
  if (atomicAdd(&started, 1) == 0) *first = threadIdx.x;
}

__global__ void warp_operations_kernel(int* y) {
  const int lane = threadIdx.x;
  int* const out = y + lane * kWarpResults;
  out[0] = __shfl_sync(kFullMask, lane * 10, 5);
  out[1] = __shfl_sync(kFullMask, lane, 9, 8);
  out[2] = __shfl_up_sync(kFullMask, lane, 3);
  out[3] = __shfl_down_sync(kFullMask, lane, 2, 16);
  out[4] = __shfl_xor_sync(kFullMask, lane, 1);
  out[5] = static_cast<int>(__shfl_xor_sync(kFullMask, lane + (1LL << 40), 16) >> 40);
  out[6] = static_cast<int>(__ballot_sync(kFullMask, lane % 2 == 0));
  out[7] = __any_sync(kFullMask, lane == 7);
  out[8] = __all_sync(kFullMask, lane != 7);
  __syncwarp();
  // Halves with masks of their own meet apart.
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  double sum = lane;
  for (int d = 8; d > 0; d /= 2) sum += __shfl_xor_sync(half, sum, d);
  out[9] = static_cast<int>(sum);
}

__global__ void coordinates_kernel(int* y) {
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const int threads = blockDim.x * blockDim.y * blockDim.z;
  __syncthreads();
  y[block * threads + thread] = 1000 * block + thread;
}

__global__ void barrier_of_some_kernel() {
  if (threadIdx.x == 3) return;
  __syncthreads();
}

__global__ void shuffle_of_some_kernel() {
  if (threadIdx.x < 4) {
    __syncthreads();
  } else {
    __shfl_xor_sync(kFullMask, 1.0f, 1);
  }
}

__global__ void shuffle_outside_of_mask_kernel() { __shfl_sync(1u, 1, 0); }

__global__ void shuffle_from_returned_lane_kernel() {
  if (threadIdx.x == 0) return;
  __shfl_sync(kFullMask, 1, 0);
}

__global__ void ballot_after_return_kernel(unsigned* y) {
  if (threadIdx.x >= 16) return;
  const unsigned ballot = __ballot_sync(kFullMask, 1);
  if (threadIdx.x == 0) y[0] = ballot;
}

__global__ void to_bfloat16_kernel(const float* x, unsigned short* y, int count) {
  const int i = global_index();
  if (i < count) y[i] = __bfloat16_as_ushort(__float2bfloat16(x[i]));
}

__global__ void count_threads_kernel(unsigned* x) { atomicAdd(x, 1); }

}  // namespace

cudaError_t scale(const float* x, float* y, int count, float factor, cudaStream_t stream) {
  return launch(blocks(count), kBlock, 0, stream, [=] { scale_kernel(x, y, count, factor); });
}
cudaError_t add(const float* x, float* y, int count, cudaStream_t stream) {
  return launch(blocks(count), kBlock, 0, stream, [=] { add_kernel(x, y, count); });
}
cudaError_t sum_by_barriers(const float* x, float* sum, int count, cudaStream_t stream) {
  return launch(blocks(count), kBlock, 0, stream, [=] { sum_by_barriers_kernel(x, sum, count); });
}
cudaError_t sum_by_shuffles(const float* x, float* sum, int count, cudaStream_t stream) {
  return launch(blocks(count), kBlock, 0, stream, [=] { sum_by_shuffles_kernel(x, sum, count); });
}
cudaError_t reverse(int* x, cudaStream_t stream) {
  return launch(1, 64, 0, stream, [=] { reverse_kernel<true>(x); });
}
cudaError_t reverse_without_barrier(int* x, cudaStream_t stream) {
  return launch(1, 64, 0, stream, [=] { reverse_kernel<false>(x); });
}
cudaError_t first_thread(unsigned* first, cudaStream_t stream) {
  return launch(1, 32, 0, stream, [=] { first_thread_kernel(first); });
}
cudaError_t warp_operations(int* y, cudaStream_t stream) {
  return launch(1, 32, 0, stream, [=] { warp_operations_kernel(y); });
}
cudaError_t coordinates(int* y, cudaStream_t stream) {
  return launch(dim3(2, 3, 2), dim3(4, 2, 3), 0, stream, [=] { coordinates_kernel(y); });
}
cudaError_t barrier_of_some(cudaStream_t stream) {
  return launch(1, 8, 0, stream, [] { barrier_of_some_kernel(); });
}
cudaError_t shuffle_of_some(cudaStream_t stream) {
  return launch(1, 32, 0, stream, [] { shuffle_of_some_kernel(); });
}
cudaError_t shuffle_outside_of_mask(cudaStream_t stream) {
  return launch(1, 32, 0, stream, [] { shuffle_outside_of_mask_kernel(); });
}
cudaError_t shuffle_from_returned_lane(cudaStream_t stream) {
  return launch(1, 32, 0, stream, [] { shuffle_from_returned_lane_kernel(); });
}
cudaError_t ballot_after_return(unsigned* y, cudaStream_t stream) {
  return launch(1, 32, 0, stream, [=] { ballot_after_return_kernel(y); });
}
cudaError_t to_bfloat16(const float* x, unsigned short* y, int count, cudaStream_t stream) {
  return launch(blocks(count), kBlock, 0, stream, [=] { to_bfloat16_kernel(x, y, count); });
}
cudaError_t nothing(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream) {
  return launch(grid, block, shared_bytes, stream, [] {});
}
cudaError_t count_threads(unsigned* x, dim3 grid, dim3 block, cudaStream_t stream) {
  return launch(grid, block, 0, stream, [=] { count_threads_kernel(x); });
}

}  // namespace sluice::emulator::testing
