// Normalization within a sample (NormalizeOp), a warp or a block to each group:
//
//   z = (x - m) s        m, s as the kind says        y = z gamma + beta
//
// Backward, from dz = dy gamma and sums over the group (NormalizationShape::a, b):
//
//   dx = s (dz - a - z b)
//
// and for each weight, over all elements of the batch that it is for:
//
//   dgamma = sum of dy z        dbeta = sum of dy
#include "backend/cuda/stripes.cuh"

namespace sluice::backend::cuda {
namespace {

constexpr int64_t kMostOfAWarp = 1024;  // elements of a group; larger ones have a block

using Place = NormalizationWalk::Place;

// --- Kernels ---

struct Statistics {
  float mean, scale;

  __device__ float normalized(float x) const { return (x - mean) * scale; }
};

// Sum over the threads that have the group: a warp, or the block.
__device__ float group_sum(float x, float (&warps)[kLines]) {
  x = warp_sum(x);
  if (blockDim.x == kWarp) return x;
  __syncthreads();  // the sum before has been read
  if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = x;
  __syncthreads();
  float sum = 0;
  for (const float warp : warps) sum += warp;
  return sum;
}

__device__ int64_t own_group() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
}
// Its first element in the batch, and that element's weight.
__device__ Place first_of(const NormalizationShape& shape, int64_t group) {
  Place first = shape.groups.place(group % shape.groups.size);
  first.at += group / shape.groups.size * shape.sample;
  return first;
}

// Calls visit(element in the batch, weight) for the thread's elements of a group.
template <typename Visit>
__device__ void for_own_elements(const NormalizationShape& shape, const Place& first,
                                 const Visit& visit) {
  for (int64_t k = threadIdx.x; k < shape.elements.size; k += blockDim.x) {
    const Place place = shape.elements.place(k);
    visit(first.at + place.at, first.other + place.other);
  }
}

__device__ float or_else(const float* weights, int64_t weight, float otherwise) {
  return weights != nullptr ? weights[weight] : otherwise;
}

__global__ void normalize_kernel(NormalizationShape shape, int64_t groups, const float* x,
                                 const float* gamma, const float* beta, Statistics* statistics,
                                 float* y) {
  __shared__ float warps[kLines];
  const int64_t group = own_group();
  if (group >= groups) return;
  const Place first = first_of(shape, group);
  const auto count = static_cast<float>(shape.elements.size);
  float mean = 0;
  if (shape.kind == NormalizeOp::Kind::kStandard) {
    for_own_elements(shape, first, [&](int64_t i, int64_t) { mean += x[i]; });
    mean = group_sum(mean, warps) / count;
  }
  float squares = 0;
  if (shape.kind != NormalizeOp::Kind::kNone) {
    for_own_elements(shape, first,
                     [&](int64_t i, int64_t) { squares += (x[i] - mean) * (x[i] - mean); });
    squares = group_sum(squares, warps);
  }
  if (shape.kind != NormalizeOp::Kind::kUnit) squares /= count;
  const Statistics own{mean, shape.scale(squares)};
  if (threadIdx.x == 0) statistics[group] = own;
  for_own_elements(shape, first, [&](int64_t i, int64_t weight) {
    y[i] = own.normalized(x[i]) * or_else(gamma, weight, 1.0f) + or_else(beta, weight, 0.0f);
  });
}

__global__ void input_gradient_kernel(NormalizationShape shape, int64_t groups, const float* x,
                                      const float* dy, const float* gamma,
                                      const Statistics* statistics, float* dx) {
  __shared__ float warps[kLines];
  const int64_t group = own_group();
  if (group >= groups) return;
  const Place first = first_of(shape, group);
  const Statistics own = statistics[group];
  float sum_dz = 0, sum_dz_z = 0;
  for_own_elements(shape, first, [&](int64_t i, int64_t weight) {
    const float dz = dy[i] * or_else(gamma, weight, 1.0f);
    sum_dz += dz;
    sum_dz_z += dz * own.normalized(x[i]);
  });
  sum_dz = group_sum(sum_dz, warps);
  sum_dz_z = group_sum(sum_dz_z, warps);
  const float a = shape.a(sum_dz), b = shape.b(sum_dz_z, own.scale);
  for_own_elements(shape, first, [&](int64_t i, int64_t weight) {
    const float dz = dy[i] * or_else(gamma, weight, 1.0f);
    dx[i] = own.scale * (dz - a - own.normalized(x[i]) * b);
  });
}

// Columns are weights, rows the elements of the batch that each is for. partial [blocks, W].
__global__ void weight_sums_kernel(NormalizationShape shape, int64_t rows, const float* x,
                                   const float* dy, const Statistics* statistics,
                                   GradientSums* partial) {
  __shared__ GradientSums lines[kLines][kWarp];
  GradientSums own;
  const int64_t columns = shape.weights.size;
  const Place first = shape.weights.place(own_column() < columns ? own_column() : 0);
  for_own_rows(rows, columns, [&](int64_t r) {
    const Place share = shape.shares.place(r % shape.shares.size);
    const int64_t sample = r / shape.shares.size;
    const int64_t i = sample * shape.sample + first.at + share.at;
    const Statistics& group = statistics[sample * shape.groups.size + first.other + share.other];
    own.add({dy[i], dy[i] * group.normalized(x[i])});
  });
  keep(add_up_lines(own, lines), columns, partial);
}

__global__ void weight_gradients_kernel(int64_t columns, int stripes, const GradientSums* partial,
                                        float* dgamma, float* dbeta) {
  for (int64_t c = first_index(); c < columns; c += index_stride()) {
    GradientSums all;
    for (int stripe = 0; stripe < stripes; ++stripe) all.add(partial[stripe * columns + c]);
    if (dgamma != nullptr) dgamma[c] = all.dz_z;
    if (dbeta != nullptr) dbeta[c] = all.dz;
  }
}

// --- Launchers ---

Grid grid_of_groups(const NormalizationShape& shape, int64_t groups) {
  if (shape.elements.size <= kMostOfAWarp) return warp_per_row(groups);
  return {dim3(ceil_div(groups, 1)), dim3(kBlock)};
}

}  // namespace

size_t normalization_statistics(const NormalizationShape& shape, int64_t batch) {
  return static_cast<size_t>(batch * shape.groups.size) * sizeof(Statistics) / sizeof(float);
}
size_t normalization_partials(const NormalizationShape& shape, int64_t batch) {
  const size_t sums =
      stripes_over(batch * shape.shares.size) * static_cast<size_t>(shape.weights.size);
  return sums * sizeof(GradientSums) / sizeof(float);
}

void normalize(const NormalizationShape& shape, int64_t batch, const float* x, const float* gamma,
               const float* beta, float* statistics, float* y, cudaStream_t stream) {
  const int64_t groups = batch * shape.groups.size;
  launch(normalize_kernel, grid_of_groups(shape, groups), stream, shape, groups, x, gamma, beta,
         reinterpret_cast<Statistics*>(statistics), y);
}

void normalize_backward(const NormalizationShape& shape, int64_t batch, const float* x,
                        const float* dy, const float* gamma, const float* statistics, float* dx,
                        cudaStream_t stream) {
  const int64_t groups = batch * shape.groups.size;
  launch(input_gradient_kernel, grid_of_groups(shape, groups), stream, shape, groups, x, dy, gamma,
         reinterpret_cast<const Statistics*>(statistics), dx);
}

void normalize_weights_backward(const NormalizationShape& shape, int64_t batch, const float* x,
                                const float* dy, const float* statistics, float* partials,
                                float* dgamma, float* dbeta, cudaStream_t stream) {
  const int64_t rows = batch * shape.shares.size, columns = shape.weights.size;
  const Grid grid = stripes_of_columns(rows, columns);
  auto* const partial = reinterpret_cast<GradientSums*>(partials);
  launch(weight_sums_kernel, grid, stream, shape, rows, x, dy,
         reinterpret_cast<const Statistics*>(statistics), partial);
  launch(weight_gradients_kernel, grid_for(columns), stream, columns,
         static_cast<int>(grid.blocks.y), partial, dgamma, dbeta);
}

}  // namespace sluice::backend::cuda
