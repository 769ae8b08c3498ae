// Penalties and constraints of parameters (backend/weight_rule.h).
//
//   penalty    sums of blocks of kNormBlock numbers, then their sum, always in the same order
//   gradient   g += l1 sign(w) + 2 l2 w
//   constrain  one thread to a group of numbers that have a norm in common
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// --- Kernels ---

__global__ void penalty_blocks_kernel(const NormBlock* blocks, const DeviceRule* rules,
                                      const float* w, double* sums) {
  const NormBlock block = blocks[blockIdx.x];
  const DeviceRule& rule = rules[block.parameter];
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < block.size; i += kBlock) {
    const double size = fabs(static_cast<double>(w[block.begin + i]));
    sum += rule.l1 * size + rule.l2 * size * size;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void add_penalty_kernel(int count, const double* sums, double rows, StepState* state) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kBlock) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) state->loss_sum += rows * sum;
}

__global__ void penalty_gradient_kernel(const NormBlock* blocks, const DeviceRule* rules,
                                        const float* w, float* g) {
  const NormBlock block = blocks[blockIdx.x];
  const DeviceRule& rule = rules[block.parameter];
  for (int64_t i = block.begin + threadIdx.x; i < block.begin + block.size; i += kBlock) {
    g[i] += penalty_gradient(rule.l1, rule.l2, w[i]);
  }
}

// Where the number at `keras` of the parameter lies on the device.
__device__ int64_t place_of(const DeviceRule& rule, int64_t keras) {
  if (rule.filters == 0) return rule.begin + keras;
  return rule.begin + keras % rule.filters * (rule.size / rule.filters) + keras / rule.filters;
}

__global__ void constrain_kernel(const DeviceRule* rules, int count, float* w,
                                 __nv_bfloat16* bfloat16_w) {
  for (int r = static_cast<int>(blockIdx.y); r < count; r += static_cast<int>(gridDim.y)) {
    const DeviceRule& rule = rules[r];
    const auto write = [&](int64_t at, float value) {
      w[at] = value;
      if (bfloat16_w != nullptr) bfloat16_w[at] = from_float<__nv_bfloat16>(value);
    };
    if (rule.not_negative) {
      for (int64_t i = first_index(); i < rule.size; i += index_stride()) {
        const int64_t at = rule.begin + i;
        if (w[at] < 0) write(at, 0.0f);
      }
    }
    if (!rule.has_norm) continue;
    for (int64_t group = first_index(); group < rule.norm.groups(); group += index_stride()) {
      const int64_t first = rule.norm.first(group);
      double sum = 0;
      for (int64_t k = 0; k < rule.norm.count; ++k) {
        const double x = w[place_of(rule, first + k * rule.norm.inner)];
        sum += x * x;
      }
      const float scale = rule.norm.scale(static_cast<float>(sqrt(sum)));
      for (int64_t k = 0; k < rule.norm.count; ++k) {
        const int64_t at = place_of(rule, first + k * rule.norm.inner);
        write(at, w[at] * scale);
      }
    }
  }
}

}  // namespace

// --- Launchers ---

void add_penalty(const DeviceRules& rules, const float* w, int64_t rows, StepState* state,
                 cudaStream_t stream) {
  if (rules.blocks == 0) return;
  launch(penalty_blocks_kernel, Grid{dim3(static_cast<unsigned>(rules.blocks)), dim3(kBlock)},
         stream, rules.block_table, rules.table, w, rules.sums);
  launch(add_penalty_kernel, Grid{dim3(1), dim3(kBlock)}, stream, rules.blocks, rules.sums,
         static_cast<double>(rows), state);
}

void add_penalty_gradient(const DeviceRules& rules, const float* w, float* g, cudaStream_t stream) {
  if (rules.blocks == 0) return;
  launch(penalty_gradient_kernel, Grid{dim3(static_cast<unsigned>(rules.blocks)), dim3(kBlock)},
         stream, rules.block_table, rules.table, w, g);
}

void constrain(const DeviceRules& rules, int count, float* w, void* bfloat16_w,
               cudaStream_t stream) {
  if (!rules.constrains) return;
  const unsigned y = static_cast<unsigned>(std::clamp(rules.count, 1, 64));
  launch(constrain_kernel, Grid{dim3(32, y), dim3(kBlock)}, stream, rules.table, count, w,
         static_cast<__nv_bfloat16*>(bfloat16_w));
}

}  // namespace sluice::backend::cuda
