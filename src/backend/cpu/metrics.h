// Metrics (backend/metrics.h) of a batch, on the CPU.
#pragma once

#include <cstdint>
#include <span>

#include "backend/metrics.h"

namespace sluice::backend::cpu {

// Adds what the rows come to to the metric's counters. Not for kAccuracy, which comes with the
// loss.
void measure(const Metric& metric, const MeasuredRows& rows, std::span<double> counters);

}  // namespace sluice::backend::cpu
