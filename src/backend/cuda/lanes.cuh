// How a warp goes over a row, for backend/loss_rows.h and backend/metric_rows.h.
#pragma once

#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {

// A warp has a row, each lane every 32nd element of it.
struct Lanes {
  template <typename Number>
  __device__ float sum(int64_t size, const Number& number) const {
    float sum = 0;
    for (int64_t j = threadIdx.x; j < size; j += kWarp) sum += number(j);
    return warp_sum(sum);
  }
  template <typename Number>
  __device__ float max(int64_t size, const Number& number) const {
    float most = -INFINITY;
    for (int64_t j = threadIdx.x; j < size; j += kWarp) most = fmaxf(most, number(j));
    return warp_max(most);
  }
  template <typename Use>
  __device__ void each(int64_t size, const Use& use) const {
    for (int64_t j = threadIdx.x; j < size; j += kWarp) use(j);
  }
  __device__ float sum_exp(int64_t size, const float* z, float most) const {
    return sum(size, [&](int64_t j) { return expf(z[j] - most); });
  }
  __device__ void put_exp(int64_t size, float factor, const float* z, float most, float* to) const {
    each(size, [&](int64_t j) { to[j] = factor * expf(z[j] - most); });
  }

  template <typename Number>
  __device__ int64_t first_largest(int64_t size, const Number& number) const {
    return cuda::first_largest(size, number);
  }
  // Counters are whole numbers, which add up to the same in whatever order atomics come.
  template <typename Is>
  __device__ void count(int64_t size, double* counter, const Is& is) const {
    int number = 0;
    for (int64_t j = threadIdx.x; j < size; j += kWarp) number += is(j) ? 1 : 0;
    number = warp_sum(number);
    if (threadIdx.x == 0 && number != 0) atomicAdd(counter, static_cast<double>(number));
  }
  template <typename Counter>
  __device__ void count_each(int64_t size, const Counter& counter) const {
    for (int64_t j = threadIdx.x; j < size; j += kWarp) {
      if (double* const one = counter(j); one != nullptr) atomicAdd(one, 1.0);
    }
  }
  __device__ void count(double* counter) const {
    if (threadIdx.x == 0) atomicAdd(counter, 1.0);
  }
};

}  // namespace sluice::backend::cuda
