// Penalties and constraints of parameters (backend/weight_rule.h), and penalties of activities.
//
//   penalty        sums of blocks of kNormBlock numbers, or of what the blocks of a grid walk over,
//                  then their sum, always in the same order
//   gradient       g += l1 sign(w) + 2 l2 w
//   orthogonality  a warp to each vector i, from the vectors z_j of norm 1:
//                    s_i = sum over j of |z_i z_j|
//                    g_i += f / |w_i| (sum over j of sign(z_i z_j) z_j - s_i z_i)
//   constrain      one thread to a group of numbers that have a norm in common
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

constexpr int64_t kMostActivityBlocks = 256;

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

__global__ void add_penalty_kernel(int count, const double* sums, double factor, StepState* state) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kBlock) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) state->loss_sum += factor * sum;
}

__global__ void penalty_gradient_kernel(const NormBlock* blocks, const DeviceRule* rules,
                                        const float* w, float* g) {
  const NormBlock block = blocks[blockIdx.x];
  const DeviceRule& rule = rules[block.parameter];
  for (int64_t i = block.begin + threadIdx.x; i < block.begin + block.size; i += kBlock) {
    g[i] += penalty_gradient(rule.l1, rule.l2, w[i]);
  }
}

__device__ int64_t own_vector() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}

__global__ void unit_vectors_kernel(DeviceOrthogonality o, const float* w) {
  const int64_t vector = own_vector();
  if (vector >= o.shape.vectors) return;
  w += o.begin + vector * o.shape.vector_stride;
  float squares = 0;
  for (int64_t k = threadIdx.x; k < o.shape.size; k += kWarp) {
    squares += w[k * o.shape.stride] * w[k * o.shape.stride];
  }
  const float inverse = Orthogonality::inverse_norm(sqrtf(warp_sum(squares)));
  for (int64_t k = threadIdx.x; k < o.shape.size; k += kWarp) {
    o.units[vector * o.shape.size + k] = w[k * o.shape.stride] * inverse;
  }
  if (threadIdx.x == 0) o.inverse_norms[vector] = inverse;
}

// z_i z_j; all lanes get it.
__device__ float cosine(const DeviceOrthogonality& o, int64_t i, int64_t j) {
  const float *a = o.units + i * o.shape.size, *b = o.units + j * o.shape.size;
  float sum = 0;
  for (int64_t k = threadIdx.x; k < o.shape.size; k += kWarp) sum += a[k] * b[k];
  return warp_sum(sum);
}

__global__ void cosine_sums_kernel(DeviceOrthogonality o) {
  const int64_t i = own_vector();
  if (i >= o.shape.vectors) return;
  double sum = 0;
  for (int64_t j = 0; j < o.shape.vectors; ++j) {
    if (j != i) sum += fabsf(cosine(o, i, j));
  }
  if (threadIdx.x == 0) o.sums[i] = sum;
}

__global__ void orthogonality_gradient_kernel(DeviceOrthogonality o, float* g) {
  const int64_t i = own_vector();
  if (i >= o.shape.vectors) return;
  g += o.begin + i * o.shape.vector_stride;
  const float inverse = o.inverse_norms[i];
  const double scale = o.shape.pair_factor() * inverse;
  const auto add = [&](double factor, int64_t vector) {
    const float scaled = static_cast<float>(scale * factor);
    for (int64_t k = threadIdx.x; k < o.shape.size; k += kWarp) {
      g[k * o.shape.stride] += scaled * o.units[vector * o.shape.size + k];
    }
  };
  for (int64_t j = 0; j < o.shape.vectors; ++j) {
    const float of_pair = j == i ? 0.0f : cosine(o, i, j);
    if (of_pair != 0) add(of_pair > 0 ? 1 : -1, j);
  }
  if (Orthogonality::is_unit(inverse)) add(-o.sums[i], i);
}

__global__ void activity_sums_kernel(ActivityPenalty penalty, int64_t size, const float* y,
                                     double* sums) {
  double sum = 0;
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    const double magnitude = fabs(static_cast<double>(y[i]));
    sum += penalty.l1 * magnitude + penalty.l2 * magnitude * magnitude;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void activity_gradient_kernel(float l1, float l2, int64_t size, const float* y,
                                         float* dy) {
  for (int64_t i = first_index(); i < size; i += index_stride()) {
    dy[i] = penalty_gradient(l1, l2, y[i]);
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
  for (const DeviceOrthogonality& o : rules.orthogonality) {
    const Grid grid = warp_per_row(o.shape.vectors);
    launch(unit_vectors_kernel, grid, stream, o, w);
    launch(cosine_sums_kernel, grid, stream, o);
    launch(add_penalty_kernel, Grid{dim3(1), dim3(kBlock)}, stream,
           static_cast<int>(o.shape.vectors), o.sums,
           static_cast<double>(rows) * o.shape.pair_factor() / 2, state);
  }
  if (rules.blocks == 0) return;
  launch(penalty_blocks_kernel, Grid{dim3(static_cast<unsigned>(rules.blocks)), dim3(kBlock)},
         stream, rules.block_table, rules.table, w, rules.sums);
  launch(add_penalty_kernel, Grid{dim3(1), dim3(kBlock)}, stream, rules.blocks, rules.sums,
         static_cast<double>(rows), state);
}

void add_penalty_gradient(const DeviceRules& rules, const float* w, float* g, cudaStream_t stream) {
  for (const DeviceOrthogonality& o : rules.orthogonality) {
    launch(orthogonality_gradient_kernel, warp_per_row(o.shape.vectors), stream, o, g);
  }
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

size_t activity_penalty_sums() { return kMostActivityBlocks; }

void add_activity_penalty(const ActivityPenalty& penalty, int64_t rows, int64_t size,
                          const float* y, double* sums, StepState* state, cudaStream_t stream) {
  Grid grid = grid_for(rows * size);
  grid.blocks.x = std::min<unsigned>(grid.blocks.x, kMostActivityBlocks);
  launch(activity_sums_kernel, grid, stream, penalty, rows * size, y, sums);
  launch(add_penalty_kernel, Grid{dim3(1), dim3(kBlock)}, stream, static_cast<int>(grid.blocks.x),
         sums, 1.0, state);
}

void activity_penalty_gradient(const ActivityPenalty& penalty, int64_t rows, int64_t size,
                               const float* y, float* dy, cudaStream_t stream) {
  const auto count = static_cast<float>(rows);
  launch(activity_gradient_kernel, grid_for(rows * size), stream, penalty.l1 / count,
         penalty.l2 / count, rows * size, y, dy);
}

}  // namespace sluice::backend::cuda
