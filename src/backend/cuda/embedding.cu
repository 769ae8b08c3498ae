// Rows of a table by their numbers (EmbeddingOp):
//
//   gather_rows     y_i = table[x_i], NaN where there is no such row
//   scatter_rows    dtable[r] = the sum of dy_i over all x_i = r, in the order of i
//
// Without atomic additions: the first place of a number in the batch adds up what all its places
// have. A warp of each place looks for earlier ones, which takes count^2 comparisons in all.
#include "backend/cuda/device_math.cuh"

namespace sluice::backend::cuda {
namespace {

// The row of number x, or -1.
__device__ int64_t row_of(float x, int64_t rows) {
  return x >= 0 && x < static_cast<float>(rows) ? static_cast<int64_t>(x) : -1;
}

// --- Kernels ---

__global__ void gather_rows_kernel(int64_t count, int64_t rows, int64_t columns, const float* x,
                                   const float* table, float* y) {
  for (int64_t i = first_index(); i < count * columns; i += index_stride()) {
    const int64_t row = row_of(x[i / columns], rows);
    y[i] = row < 0 ? nanf("") : table[row * columns + i % columns];
  }
}

__global__ void scatter_rows_kernel(int64_t count, int64_t rows, int64_t columns, const float* x,
                                    const float* dy, float* dtable) {
  const int64_t place = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (place >= count) return;
  const int64_t row = row_of(x[place], rows);
  if (row < 0) return;
  float earlier = 0;
  for (int64_t i = threadIdx.x; i < place; i += kWarp) {
    if (row_of(x[i], rows) == row) earlier = 1;
  }
  if (warp_max(earlier) > 0) return;
  for (int64_t c = threadIdx.x; c < columns; c += kWarp) {
    float sum = 0;
    for (int64_t i = place; i < count; ++i) {
      if (row_of(x[i], rows) == row) sum += dy[i * columns + c];
    }
    dtable[row * columns + c] = sum;
  }
}

}  // namespace

// --- Launchers ---

void gather_rows(int64_t count, int64_t rows, int64_t columns, const float* x, const float* table,
                 float* y, cudaStream_t stream) {
  launch(gather_rows_kernel, grid_for(count * columns), stream, count, rows, columns, x, table, y);
}

void scatter_rows(int64_t count, int64_t rows, int64_t columns, const float* x, const float* dy,
                  float* dtable, cudaStream_t stream) {
  SLUICE_CHECKED(
      cudaMemsetAsync(dtable, 0, static_cast<size_t>(rows * columns) * sizeof(float), stream));
  launch(scatter_rows_kernel, warp_per_row(count), stream, count, rows, columns, x, dy, dtable);
}

}  // namespace sluice::backend::cuda
