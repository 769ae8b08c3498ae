// Sums over the rows of each of many columns: a block takes every so many-th row of 32 columns, and
// a second kernel adds up what the blocks have found, always in the same order.
#pragma once

#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {

inline constexpr unsigned kMostStripes = 128;
inline constexpr int kLines = kBlock / kWarp;

// Of the gradient dz behind a normalization z, and of dz z.
struct GradientSums {
  float dz = 0, dz_z = 0;

  __device__ void add(const GradientSums& other) {
    dz += other.dz;
    dz_z += other.dz_z;
  }
};

// Adds up the lines of a block; the first line has the result.
template <typename Sums>
__device__ Sums add_up_lines(const Sums& own, Sums (&lines)[kLines][kWarp]) {
  lines[threadIdx.y][threadIdx.x] = own;
  __syncthreads();
  Sums total = own;
  if (threadIdx.y == 0) {
    for (int line = 1; line < kLines; ++line) total.add(lines[line][threadIdx.x]);
  }
  return total;
}

__device__ inline int64_t own_column() {
  return static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x;
}

// Calls visit(r) for the block's rows, by all threads that have a column.
template <typename Visit>
__device__ void for_own_rows(int64_t rows, int64_t columns, const Visit& visit) {
  const int64_t stride = static_cast<int64_t>(gridDim.y) * kLines;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kLines + threadIdx.y;
  if (own_column() >= columns) return;
  for (int64_t r = first; r < rows; r += stride) visit(r);
}

// partial [blocks over the rows, C].
template <typename Sums>
__device__ void keep(const Sums& total, int64_t columns, Sums* partial) {
  if (threadIdx.y == 0 && own_column() < columns) {
    partial[blockIdx.y * columns + own_column()] = total;
  }
}

// The blocks over so many rows.
inline unsigned stripes_over(int64_t rows) {
  return std::clamp<unsigned>(ceil_div(rows, kBlock), 1, kMostStripes);
}
// The columns along x, where a grid may have more than 65,535 blocks.
inline Grid stripes_of_columns(int64_t rows, int64_t columns) {
  return {dim3(ceil_div(columns, kWarp), stripes_over(rows)), dim3(kWarp, kLines)};
}

}  // namespace sluice::backend::cuda
