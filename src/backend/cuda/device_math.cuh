// What several kernels share: both element types as float, grid-stride loops, warp reductions,
// activations.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "backend/activation_formulas.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/launch.cuh"

namespace sluice::backend::cuda {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T>
__device__ T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16(x);  // to the nearest, ties to even
}

// N numbers that lie side by side, read and written at once.
template <typename T, int N>
struct alignas(N * sizeof(T)) Pack {
  using Number = T;
  static constexpr int kSize = N;

  T numbers[N];

  __device__ T& operator[](int i) { return numbers[i]; }
  __device__ const T& operator[](int i) const { return numbers[i]; }
};

// for (int64_t i = first_index(); i < n; i += index_stride())
__device__ inline int64_t first_index() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t index_stride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

inline constexpr unsigned kAllLanes = 0xffffffffu;

// Every lane gets the sum, or the maximum, over the warp; always added up in the same order.
template <typename T>
__device__ T warp_sum(T x) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(kAllLanes, x, mask);
  return x;
}
__device__ inline float warp_max(float x) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, mask));
  }
  return x;
}

// The place of the first largest of z(0), z(1), ..., for every lane; NaN is passed over, and a row
// of nothing else is class 0.
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

// All threads of a block of kBlock get the sum.
__device__ inline double block_sum(double x) {
  __shared__ double sums[kBlock];
  sums[threadIdx.x] = x;
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  __syncthreads();
  const double sum = sums[0];
  __syncthreads();  // before the next one is written
  return sum;
}

// For backend/activation_formulas.h.
struct DeviceMath {
  static __device__ float exp(float x) { return expf(x); }
  static __device__ float expm1(float x) { return expm1f(x); }
  static __device__ float log1p(float x) { return log1pf(x); }
  static __device__ float tanh(float x) { return tanhf(x); }
  static __device__ float normal_cdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }
};

__device__ inline float activate(const Activation& f, float x) {
  return backend::activate<DeviceMath>(f, x);
}
__device__ inline float derivative_from_output(const Activation& f, float y) {
  return backend::derivative_from_output<DeviceMath>(f, y);
}
__device__ inline float derivative_from_input(const Activation& f, float x) {
  return backend::derivative_from_input<DeviceMath>(f, x);
}

// Calls `launcher` with a value of the C++ type that stands for `type`.
template <typename Launcher>
void with_type(Type type, const Launcher& launcher) {
  if (type == Type::kFloat32) {
    launcher(float{});
  } else {
    launcher(__nv_bfloat16{});
  }
}

// Calls `launcher` with a pack of numbers of `type`: of four where rows of `columns` numbers
// consist of such, of one otherwise.
template <typename Launcher>
void with_packs(Type type, int64_t columns, const Launcher& launcher) {
  with_type(type, [&](auto number) {
    using T = decltype(number);
    if (columns % 4 == 0) {
      launcher(Pack<T, 4>{});
    } else {
      launcher(Pack<T, 1>{});
    }
  });
}

}  // namespace sluice::backend::cuda
