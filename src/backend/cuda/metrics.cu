// Metrics (backend/metrics.h) of a batch, as backend/cpu/metrics.cc; one warp to a row. Counters of
// rows and elements are whole numbers, which add up to the same in whatever order atomics come;
// sums of errors are added up in the order of the rows, by one block.
#include "backend/cuda/device_math.cuh"
#include "backend/loss_rows.h"

namespace sluice::backend::cuda {
namespace {

using Kind = Metric::Kind;

// --- Kernels ---

struct Measure {
  Kind kind;
  float threshold;
  int64_t k, class_id, thresholds;
};

__device__ const float* target_of(const MeasuredRows& all, int64_t n) {
  const int64_t width = all.has_class_numbers ? 1 : all.outputs;
  return all.y + loss_rows::TargetLayout(all.positions, width, all.weighted).target(n);
}

__device__ float target_at(const MeasuredRows& all, int64_t n, int64_t j) {
  const float* y = target_of(all, n);
  if (!all.has_class_numbers) return y[j];
  if (all.outputs == 1) return *y;
  return *y == static_cast<float>(j) ? 1.0f : 0.0f;
}

// Of a single output class 0 or 1.
__device__ int64_t wanted_class(const MeasuredRows& all, int64_t n) {
  const float* y = target_of(all, n);
  if (all.has_class_numbers) return static_cast<int64_t>(*y);
  if (all.outputs == 1) return *y != 0 ? 1 : 0;
  return first_largest(all.outputs, [y](int64_t j) { return y[j]; });
}

__device__ int64_t predicted_class(const MeasuredRows& all, int64_t n, float threshold) {
  if (all.outputs == 1) return all.p[n] > threshold ? 1 : 0;
  const float* p = all.p + n * all.outputs;
  return first_largest(all.outputs, [p](int64_t j) { return p[j]; });
}

__device__ void count(double* counter, int number) {
  number = warp_sum(number);
  if (threadIdx.x == 0 && number != 0) atomicAdd(counter, static_cast<double>(number));
}

__device__ int64_t bucket_of(float p, int64_t thresholds) {
  const float bucket = ceilf(fminf(fmaxf(p, 0.0f), 1.0f) * static_cast<float>(thresholds - 1)) - 1;
  return bucket > 0 ? static_cast<int64_t>(bucket) : 0;
}

__device__ void count_in_top(const Measure& measure, const MeasuredRows& all, int64_t n,
                             double* counters) {
  const float* p = all.p + n * all.outputs;
  int64_t wanted = all.outputs == 1 ? 0 : wanted_class(all, n);
  if (wanted < 0) return;  // a class that the loss ignores
  if (wanted >= all.outputs) wanted = all.outputs - 1;
  int above = 0, strange = 0;
  for (int64_t j = threadIdx.x; j < all.outputs; j += kWarp) {
    if (!isfinite(p[j])) strange = 1;
    if (p[j] > p[wanted]) ++above;
  }
  above = warp_sum(above);
  strange = warp_sum(strange);
  if (threadIdx.x == 0 && strange == 0 && above < measure.k) atomicAdd(counters, 1.0);
}

__device__ void count_positives(const Measure& measure, const MeasuredRows& all, int64_t n,
                                double* counters) {
  int both = 0, only_predicted = 0, only_true = 0;
  for (int64_t j = threadIdx.x; j < all.outputs; j += kWarp) {
    if (measure.class_id >= 0 && j != measure.class_id) continue;
    const bool is = target_at(all, n, j) != 0;
    const bool predicted = all.p[n * all.outputs + j] > measure.threshold;
    both += is && predicted ? 1 : 0;
    only_predicted += !is && predicted ? 1 : 0;
    only_true += is && !predicted ? 1 : 0;
  }
  count(counters, both);
  count(counters + 1, only_predicted);
  count(counters + 2, only_true);
}

__global__ void count_kernel(Measure measure, MeasuredRows all, double* counters) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= all.rows) return;
  switch (measure.kind) {
    case Kind::kBinaryAccuracy: {
      int right = 0;
      for (int64_t j = threadIdx.x; j < all.outputs; j += kWarp) {
        const bool predicted = all.p[n * all.outputs + j] > measure.threshold;
        right += target_at(all, n, j) == (predicted ? 1.0f : 0.0f) ? 1 : 0;
      }
      return count(counters, right);
    }
    case Kind::kCategoricalAccuracy: {
      // Of one output the largest is always the first.
      const bool right =
          all.outputs == 1 || predicted_class(all, n, measure.threshold) == wanted_class(all, n);
      return count(counters, threadIdx.x == 0 && right ? 1 : 0);
    }
    case Kind::kTopK:
      return count_in_top(measure, all, n, counters);
    case Kind::kPrecision:
    case Kind::kRecall:
      return count_positives(measure, all, n, counters);
    case Kind::kAuc:
      for (int64_t j = threadIdx.x; j < all.outputs; j += kWarp) {
        const int64_t half = target_at(all, n, j) != 0 ? measure.thresholds : 0;
        atomicAdd(counters + half + bucket_of(all.p[n * all.outputs + j], measure.thresholds), 1.0);
      }
      return;
    case Kind::kConfusionMatrix: {
      const int64_t classes = all.outputs > 2 ? all.outputs : 2;
      const int64_t wanted = wanted_class(all, n);
      const int64_t predicted = predicted_class(all, n, measure.threshold);
      if (threadIdx.x == 0 && wanted >= 0 && wanted < classes) {
        atomicAdd(counters + wanted * classes + predicted, 1.0);
      }
      return;
    }
    default:
      return;
  }
}

// errors[n] = mean_j (y_nj - p_nj)^2, or of its absolute value.
__global__ void error_kernel(bool absolute, MeasuredRows all, float* errors) {
  const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (n >= all.rows) return;
  float sum = 0;
  for (int64_t j = threadIdx.x; j < all.outputs; j += kWarp) {
    const float error = target_at(all, n, j) - all.p[n * all.outputs + j];
    sum += absolute ? fabsf(error) : error * error;
  }
  sum = warp_sum(sum);
  if (threadIdx.x == 0) errors[n] = sum / static_cast<float>(all.outputs);
}

// counter += sum_n errors_n, by one block.
__global__ void add_errors_kernel(int64_t rows, const float* errors, double* counter) {
  __shared__ double sums[kBlock];
  double sum = 0;
  for (int64_t n = threadIdx.x; n < rows; n += kBlock) sum += errors[n];
  sums[threadIdx.x] = sum;
  for (unsigned half = kBlock / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *counter += sums[0];
}

}  // namespace

// --- Launchers ---

void measure(const Metric& metric, const MeasuredRows& rows, float* scratch, double* counters,
             cudaStream_t stream) {
  const Grid grid = warp_per_row(rows.rows);
  if (is_sum(metric)) {
    launch(error_kernel, grid, stream, metric.kind == Kind::kMeanAbsoluteError, rows, scratch);
    launch(add_errors_kernel, Grid{dim3(1), dim3(kBlock)}, stream, rows.rows, scratch, counters);
    return;
  }
  launch(count_kernel, grid, stream,
         Measure{metric.kind, metric.threshold, metric.k, metric.class_id, metric.thresholds}, rows,
         counters);
}

}  // namespace sluice::backend::cuda
