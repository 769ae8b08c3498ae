// The gradient behind an activation and the bias gradient, in one pass:
//
//   dy_rc = dy_rc f'(x_rc) from y = f(x)       y, dy [rows, columns]
//   s_c   = sum over r of dy_rc                s [columns], float32
//
// A thread takes four columns at once where there are a multiple of four. A block sums every so
// many-th row for 32 columns, or 32 packs of them; the last block of these columns to finish adds
// up what the others have found, always in the same order, so that the same dy gives the same bits
// in every run.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

constexpr int kStripes = 256;  // the most blocks over the rows
constexpr int kUnrolled = 4;   // rows that a thread has under way

// --- Kernels ---

// Threads of a block: x over the packs of columns, y over the rows.
template <typename T, int N>
__global__ void differentiate_and_sum_kernel(Activation activation, int64_t rows, int packs,
                                             const Pack<T, N>* y, Pack<T, N>* dy, float* sums,
                                             ColumnSumsScratch scratch) {
  __shared__ float lines[kBlock * N];
  __shared__ bool is_last;
  const int pack = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  const int64_t columns = static_cast<int64_t>(packs) * N;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.y;
  float sum[N] = {};
  int64_t r = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  for (; r < rows && pack < packs; r += kUnrolled * stride) {
    Pack<T, N> gradient[kUnrolled], value[kUnrolled];
#pragma unroll
    for (int k = 0; k < kUnrolled; ++k) {
      const int64_t i = (r + k * stride) * packs + pack;
      if (r + k * stride >= rows) continue;
      gradient[k] = dy[i];
      if (activation.kind != Activation::kLinear) value[k] = y[i];
    }
#pragma unroll
    for (int k = 0; k < kUnrolled; ++k) {
      if (r + k * stride >= rows) continue;
      if (activation.kind != Activation::kLinear) {
        for (int c = 0; c < N; ++c) {
          gradient[k][c] = from_float<T>(to_float(gradient[k][c]) *
                                         derivative_from_output(activation, to_float(value[k][c])));
        }
        dy[(r + k * stride) * packs + pack] = gradient[k];
      }
      for (int c = 0; c < N; ++c) sum[c] += to_float(gradient[k][c]);
    }
  }
  // Sums over the block's rows, then, in the last block, over the blocks.
  const auto add_up_lines = [&](float* to) {
    const int line = static_cast<int>(blockDim.x) * N, at = static_cast<int>(threadIdx.x) * N;
    for (int c = 0; c < N; ++c) lines[static_cast<int>(threadIdx.y) * line + at + c] = sum[c];
    __syncthreads();
    if (threadIdx.y == 0 && pack < packs) {
      for (int c = 0; c < N; ++c) {
        float total = sum[c];
        for (int k = 1; k < static_cast<int>(blockDim.y); ++k) total += lines[k * line + at + c];
        to[pack * N + c] = total;
      }
    }
  };
  add_up_lines(scratch.partial + blockIdx.x * columns);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    is_last = atomicAdd(&scratch.finished[blockIdx.y], 1u) == gridDim.x - 1;
    if (is_last) scratch.finished[blockIdx.y] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  for (int c = 0; c < N; ++c) sum[c] = 0;
  for (unsigned stripe = threadIdx.y; stripe < gridDim.x && pack < packs; stripe += blockDim.y) {
    for (int c = 0; c < N; ++c) sum[c] += scratch.partial[stripe * columns + pack * N + c];
  }
  add_up_lines(sums);
}

}  // namespace

// --- Launchers ---

size_t column_sums_partials(int64_t columns) { return static_cast<size_t>(kStripes * columns); }
size_t column_sums_counters(int64_t columns) { return ceil_div(columns, kWarp); }

void differentiate_and_sum(const Activation& activation, Type type, int64_t rows, int64_t columns,
                           const void* y, void* dy, float* sums, const ColumnSumsScratch& scratch,
                           cudaStream_t stream) {
  with_packs(type, columns, [&](auto pack) {
    using P = decltype(pack);
    const int64_t packs = columns / P::kSize;
    unsigned across = 1;  // a power of two, so that a block's rows are whole warps
    while (across < packs && across < kWarp) across *= 2;
    const dim3 threads(across, kBlock / across);
    const unsigned stripes = std::min<unsigned>(ceil_div(rows, threads.y * kUnrolled), kStripes);
    launch(differentiate_and_sum_kernel<typename P::Number, P::kSize>,
           Grid{dim3(stripes, ceil_div(packs, across)), threads}, stream, activation, rows, packs,
           static_cast<const P*>(y), static_cast<P*>(dy), sums, scratch);
  });
}

}  // namespace sluice::backend::cuda
