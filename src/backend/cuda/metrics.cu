// Metrics (backend/metrics.h) of a batch; one warp to a row. Whole numbers are counted by atomics;
// losses and moments are added up in the order of the rows, by one block each.
#include "backend/batch_losses.h"
#include "backend/cuda/device_math.cuh"
#include "backend/cuda/lanes.cuh"
#include "backend/metric_rows.h"

namespace sluice::backend::cuda {
namespace {

using MetricRow = metric_rows::Row<Lanes>;

// --- Kernels ---

__global__ void count_kernel(Counting counting, MeasuredRows all, double* counters) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= all.rows) return;
  const Lanes lanes;
  metric_rows::count_row(counting, MetricRow(all, n, lanes), counters);
}

template <typename Loss>
__global__ void row_loss_kernel(Loss loss, MeasuredRows all, float* losses) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= all.rows) return;
  const Lanes lanes;
  const MetricRow row(all, n, lanes);
  const float of_row = loss_rows::loss_of_row(loss, lanes, row.size(), row.outputs(), row.target(),
                                              1.0f, static_cast<float*>(nullptr));
  if (threadIdx.x == 0) losses[n] = of_row;
}

// counter += sum_n losses_n, by one block.
__global__ void add_losses_kernel(int64_t rows, const float* losses, double* counter) {
  double sum = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kBlock) sum += losses[n];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *counter += sum;
}

// Those of output j, by block j.
__global__ void moments_kernel(MeasuredRows all, double* counters) {
  const int64_t j = blockIdx.x, outputs = all.outputs;
  const Lanes lanes;
  double sum = 0, squares = 0, errors = 0;
  for (int64_t n = threadIdx.x; n < all.rows; n += kBlock) {
    const MetricRow row(all, n, lanes);
    const double y = row.y(j), error = y - row.p(j);
    sum += y;
    squares += y * y;
    errors += error * error;
  }
  sum = block_sum(sum);
  squares = block_sum(squares);
  errors = block_sum(errors);
  if (threadIdx.x != 0) return;
  counters[j] += sum;
  counters[outputs + j] += squares;
  counters[2 * outputs + j] += errors;
}

}  // namespace

// --- Launchers ---

void measure(const Metric& metric, const MeasuredRows& rows, float* scratch, double* counters,
             cudaStream_t stream) {
  const Grid grid = warp_per_row(rows.rows);
  const Grid one_block{dim3(1), dim3(kBlock)};
  if (metric.counting.kind == Counting::Kind::kLosses) {
    std::visit(
        [&]<typename Loss>(const Loss& loss) {
          if constexpr (!batch_losses::kOfBatch<Loss>) {
            launch(row_loss_kernel<Loss>, grid, stream, loss, rows, scratch);
          }
        },
        metric.loss.loss);
    launch(add_losses_kernel, one_block, stream, rows.rows, scratch, counters);
  } else if (metric.counting.kind == Counting::Kind::kMoments) {
    const Grid block_per_output{dim3(static_cast<unsigned>(rows.outputs)), dim3(kBlock)};
    launch(moments_kernel, block_per_output, stream, rows, counters);
  } else {
    launch(count_kernel, grid, stream, metric.counting, rows, counters);
  }
}

}  // namespace sluice::backend::cuda
