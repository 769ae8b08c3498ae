// Noise, the same as on the CPU (backend/cpu/noise.cc) but for rounding: what element i of step s
// is given is a hash of (seed, s, i), so that no mask is stored.
//
//   y_i = m_i x_i + a_i; backward the same on dy, without a_i
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
__device__ uint32_t hash(uint32_t i, uint32_t key_1, uint32_t key_2) {
  uint32_t h = i ^ key_1;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  h = (h ^ (h >> 16)) + key_2;
  h = (h ^ (h >> 16)) * 0x7feb352du;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h ^ (h >> 16);
}

// The number of element i.
__device__ uint32_t number_of(const Noise& noise, int64_t i) {
  auto rest = static_cast<unsigned>(i);
  unsigned number = 0;
  for (int k = noise.count - 1; k >= 0; --k) {
    const auto size = static_cast<unsigned>(noise.axes[k].size);
    number += rest % size * static_cast<unsigned>(noise.axes[k].stride);
    rest /= size;
  }
  return number;
}

// Uniform in (0, 1].
__device__ float uniform(uint32_t bits) {
  return static_cast<float>(static_cast<int>(bits >> 8) + 1) * 0x1.0p-24f;
}

__global__ void perturb_kernel(Noise noise, uint64_t seed, uint64_t steps_counted,
                               const StepState* state, const float* from, float* to) {
  const uint64_t key = key_of(seed, state->step - steps_counted);
  const auto key_1 = static_cast<uint32_t>(key), key_2 = static_cast<uint32_t>(key >> 32);
  for (int64_t i = first_index(); i < noise.size; i += index_stride()) {
    const uint32_t number = number_of(noise, i);
    const uint32_t bits = hash(number, key_1, key_2);
    if (!noise.is_normal) {
      to[i] = bits >= noise.threshold ? from[i] * noise.factor + noise.kept : noise.dropped;
      continue;
    }
    // Box & Muller, 1958.
    const float angle = 6.28318530717958648f * uniform(hash(number, key_2, key_1));
    const float z = sqrtf(-2.0f * logf(uniform(bits))) * cosf(angle);
    to[i] = (1.0f + noise.spread * z) * from[i] + noise.shift * z;
  }
}

}  // namespace

// --- Launchers ---

void perturb(Pass pass, const Noise& noise, uint64_t seed, const StepState* state,
             const float* from, float* to, cudaStream_t stream) {
  // The step is counted with the loss, between its forward and its backward pass.
  const uint64_t steps_counted = pass == Pass::kForward ? 0 : 1;
  launch(perturb_kernel, grid_for(noise.size), stream, noise, seed, steps_counted, state, from, to);
}

}  // namespace sluice::backend::cuda
