// Dropout, with the same masks as on the CPU (backend/cpu/dropout.cc): element i of step s is kept
// or not by a hash of (seed, s, i), so that no mask is stored.
//
//   y_i = x_i / (1 - rate) where hash(seed, s, i) >= rate 2^32, else 0; backward the same on dy
//
// The key of a step is the first number of core::Rng(seed, {s}), computed here because a captured
// graph has no other way to a new number every step.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__device__ uint64_t splitmix64(uint64_t& x) {
  x += 0x9E3779B97F4A7C15u;
  uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

__device__ uint64_t rotated_left(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

// core::Rng(seed, {step}).next()
__device__ uint64_t key_of(uint64_t seed, uint64_t step) {
  uint64_t x = seed;
  uint64_t mixed = splitmix64(x);
  x = mixed ^ (step + 0x632BE59BD9B4E019u);
  mixed = splitmix64(x);
  (void)splitmix64(mixed);                            // the first word of its state
  return rotated_left(splitmix64(mixed) * 5, 7) * 9;  // of the second
}

// "lowbias32" (C. Wellons, 2018), once before and once after the second half of the key.
__device__ uint32_t hash(uint32_t i, uint64_t key) {
  uint32_t h = i ^ static_cast<uint32_t>(key);
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h = (h ^ (h >> 16)) + static_cast<uint32_t>(key >> 32);
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

__global__ void drop_kernel(uint64_t seed, uint64_t steps_counted, uint32_t threshold, float scale,
                            int64_t size, const StepState* state, const float* from, float* to) {
  const uint64_t key = key_of(seed, state->step - steps_counted);
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    to[i] = hash(static_cast<uint32_t>(i), key) >= threshold ? from[i] * scale : 0.0f;
  }
}

}  // namespace

// --- Launchers ---

void drop(Pass pass, float rate, uint64_t seed, int64_t size, const StepState* state,
          const float* from, float* to, cudaStream_t stream) {
  const double threshold = std::min(static_cast<double>(rate) * 0x1p32, 4294967295.0);
  // The step is counted with the loss, between its forward and its backward pass.
  const uint64_t steps_counted = pass == Pass::kForward ? 0 : 1;
  launch(drop_kernel, grid_for(size), stream, seed, steps_counted, static_cast<uint32_t>(threshold),
         1.0f / (1.0f - rate), size, state, from, to);
}

}  // namespace sluice::backend::cuda
