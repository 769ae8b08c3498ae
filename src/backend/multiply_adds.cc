#include "backend/multiply_adds.h"

namespace sluice::backend {

int64_t multiply_adds(const Graph& graph, const Op& op) {
  const Shape& x = graph.values[op.inputs.front()];
  const Shape& y = graph.values[op.output];
  if (const auto* conv = std::get_if<Conv2DOp>(&op.kind)) {
    // A transposed one has a window for each element of x, any other for each of y.
    const Shape& other = conv->transposed ? y : x;
    const Shape& windows = conv->transposed ? x : y;
    return windows.size() * conv->kernel_h * conv->kernel_w * other.dims().back() / conv->groups;
  }
  if (std::holds_alternative<DenseOp>(op.kind)) return y.size() * x.dims().back();
  return 0;
}

}  // namespace sluice::backend
