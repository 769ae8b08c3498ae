#include "backend/cpu/metrics.h"

#include "backend/batch_losses.h"
#include "backend/cpu/lanes.h"
#include "backend/metric_rows.h"

namespace sluice::backend::cpu {
namespace {

using MetricRow = metric_rows::Row<Lanes>;

double loss_of(const LossSpec& loss, const MetricRow& row) {
  return std::visit(
      [&]<typename Loss>(const Loss& one) -> double {
        if constexpr (batch_losses::kOfBatch<Loss>) {
          return 0;
        } else {
          return static_cast<double>(loss_rows::loss_of_row(
              one, row.lanes(), row.size(), row.outputs(), row.target(), 1, nullptr));
        }
      },
      loss.loss);
}

void add_moments(const MetricRow& row, double* counters) {
  const int64_t size = row.size();
  for (int64_t j = 0; j < size; ++j) {
    const auto y = static_cast<double>(row.y(j)), error = y - static_cast<double>(row.p(j));
    counters[j] += y;
    counters[size + j] += y * y;
    counters[2 * size + j] += error * error;
  }
}

}  // namespace

void measure(const Metric& metric, const MeasuredRows& rows, std::span<double> counters) {
  const Lanes lanes;
  for (int64_t n = 0; n < rows.rows; ++n) {
    const MetricRow row(rows, n, lanes);
    if (metric.counting.kind == Counting::Kind::kLosses) {
      counters[0] += loss_of(metric.loss, row);
    } else if (metric.counting.kind == Counting::Kind::kMoments) {
      add_moments(row, counters.data());
    } else {
      metric_rows::count_row(metric.counting, row, counters.data());
    }
  }
}

}  // namespace sluice::backend::cpu
