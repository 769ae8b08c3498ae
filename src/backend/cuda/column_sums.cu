// The gradient behind an activation and the bias gradient, in one pass:
//
//   dy_rc = dy_rc f'(x_rc) from y = f(x)       y, dy [rows, columns]
//   s_c   = sum over r of dy_rc                s [columns], float32
//
// A block sums a stripe of rows for 32 columns; the last block of these columns to finish adds the
// stripes up, always in the same order, so that the same dy gives the same bits in every run.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

constexpr int kStripes = 128;  // the most blocks over the rows
constexpr int kRows = 8;       // of a block at once

// --- Kernels ---

template <typename T>
__global__ void differentiate_and_sum_kernel(Activation activation, int64_t rows, int64_t columns,
                                             const T* y, T* dy, float* sums,
                                             ColumnSumsScratch scratch) {
  __shared__ float lines[kRows][kWarp];
  __shared__ bool is_last;
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x;
  float sum = 0;
  for (int64_t r = static_cast<int64_t>(blockIdx.x) * kRows + threadIdx.y; r < rows && c < columns;
       r += static_cast<int64_t>(gridDim.x) * kRows) {
    const int64_t i = r * columns + c;
    float gradient = to_float(dy[i]);
    if (activation != Activation::kLinear) {
      const T passed = from_float<T>(gradient * derivative(activation, to_float(y[i])));
      dy[i] = passed;
      gradient = to_float(passed);
    }
    sum += gradient;
  }
  lines[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && c < columns) {
    for (int line = 1; line < kRows; ++line) sum += lines[line][threadIdx.x];
    scratch.partial[blockIdx.x * columns + c] = sum;
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    is_last = atomicAdd(&scratch.finished[blockIdx.y], 1u) == gridDim.x - 1;
    if (is_last) scratch.finished[blockIdx.y] = 0;
  }
  __syncthreads();
  if (!is_last) return;
  __threadfence();
  float total = 0;
  for (unsigned stripe = threadIdx.y; stripe < gridDim.x && c < columns; stripe += kRows) {
    total += scratch.partial[stripe * columns + c];
  }
  lines[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || c >= columns) return;
  for (int line = 1; line < kRows; ++line) total += lines[line][threadIdx.x];
  sums[c] = total;
}

}  // namespace

// --- Launchers ---

size_t column_sums_partials(int64_t columns) { return static_cast<size_t>(kStripes * columns); }
size_t column_sums_counters(int64_t columns) { return ceil_div(columns, kWarp); }

void differentiate_and_sum(Activation activation, DataType type, int64_t rows, int64_t columns,
                           const void* y, void* dy, float* sums, const ColumnSumsScratch& scratch,
                           cudaStream_t stream) {
  const unsigned stripes = std::min<unsigned>(ceil_div(rows, kRows), kStripes);
  const Grid grid{dim3(stripes, ceil_div(columns, kWarp)), dim3(kWarp, kRows)};
  with_type(type, [&](auto number) {
    using T = decltype(number);
    launch(differentiate_and_sum_kernel<T>, grid, stream, activation, rows, columns,
           static_cast<const T*>(y), static_cast<T*>(dy), sums, scratch);
  });
}

}  // namespace sluice::backend::cuda
