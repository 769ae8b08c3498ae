#include "tests/bench/step_floor.h"

#include <algorithm>

namespace sluice::bench {
namespace {

using namespace backend;

// Of one sample's product, forward; 0 for what is not one.
double product_flops(const Graph& graph, const Op& op) {
  const auto in = static_cast<double>(graph.values[op.inputs.front()].dims().back());
  const auto out = static_cast<double>(graph.values[op.output].size());
  if (const auto* conv = std::get_if<Conv2DOp>(&op.kind)) {
    const Shape& windows = graph.values[conv->transposed ? op.inputs.front() : op.output];
    return 2 * static_cast<double>(conv->kernel.size) *
           static_cast<double>(windows[0] * windows[1]);
  }
  return std::holds_alternative<DenseOp>(op.kind) ? 2 * out * in : 0;
}

// Whether its output is memory of its own: activations are computed in place, shapes cost nothing.
bool has_own_output(const Op& op) {
  return !std::holds_alternative<ActivationOp>(op.kind) &&
         !std::holds_alternative<ReshapeOp>(op.kind);
}

double flops_of(const GpuRates& rates, Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return rates.float32_flops;
    case Precision::kTf32:
      return rates.tf32_flops;
    default:
      return rates.bfloat16_flops;
  }
}

}  // namespace

StepWork step_work(const Graph& graph, int64_t batch, Precision precision, int slots) {
  const auto n = static_cast<double>(batch);
  const double value_bytes = precision == Precision::kMixedBfloat16 ? 2 : 4;
  StepWork work;
  work.bytes = 4 * n * static_cast<double>(graph.input_size() + graph.target_size());
  bool first = true;
  for (const Op& op : graph.ops) {
    if (const double flops = product_flops(graph, op); flops > 0) {
      work.flops += n * flops * (first ? 2 : 3);
      first = false;
    }
    if (has_own_output(op)) {
      work.bytes += 4 * value_bytes * n * static_cast<double>(graph.values[op.output].size());
    }
  }
  work.bytes += 4 * 2.0 * (2 + slots) * static_cast<double>(graph.parameter_size);
  return work;
}

double floor_seconds(const StepWork& work, const GpuRates& rates, Precision precision) {
  const double flops = flops_of(rates, precision);
  if (flops <= 0 || rates.copy_bytes <= 0) return 0;
  return std::max(work.flops / flops, work.bytes / rates.copy_bytes);
}

}  // namespace sluice::bench
