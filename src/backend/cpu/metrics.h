// Metrics (backend/metrics.h) of a batch, on the CPU.
#pragma once

#include <cstdint>
#include <span>

#include "backend/metrics.h"

namespace sluice::backend::cpu {

// The rows of an output with their targets.
struct MeasuredRows {
  int64_t rows, outputs;  // K to a row
  int64_t positions;      // rows to a sample
  const float* p;         // [rows, K]
  const float* y;         // of each sample its rows' targets: K numbers, or a class number
  bool has_class_numbers;
  bool weighted;  // the targets of each sample end in its weight, which does not count
};

// Adds what the rows come to to the metric's counters. Not for kAccuracy, which comes with the
// loss.
void measure(const Metric& metric, const MeasuredRows& rows, std::span<double> counters);

}  // namespace sluice::backend::cpu
