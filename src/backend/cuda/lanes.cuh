// How a warp goes over a row, for backend/loss_rows.h.
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
};

}  // namespace sluice::backend::cuda
