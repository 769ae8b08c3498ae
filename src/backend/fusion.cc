#include "backend/fusion.h"

namespace sluice::backend {
namespace {

template <typename Kind>
bool is(const Op& op) {
  return std::holds_alternative<Kind>(op.kind);
}

bool is_identity(const Op& op) {
  if (is<ReshapeOp>(op)) return true;
  if (const auto* dropout = std::get_if<DropoutOp>(&op.kind)) return dropout->rate == 0;
  const auto* activation = std::get_if<ActivationOp>(&op.kind);
  return activation != nullptr && activation->activation == Activation::kLinear;
}

bool take_along(FusedOp& before, const Op& op) {
  const auto* next = std::get_if<ActivationOp>(&op.kind);
  const bool takes = is<Conv2DOp>(*before.op) || is<DenseOp>(*before.op);
  if (next == nullptr || !takes || before.activation != Activation::kLinear) return false;
  if (next->activation == Activation::kSoftmax) return false;
  before.activation = next->activation;
  return true;
}

}  // namespace

bool loss_takes_logits(const Graph& graph) {
  if (graph.ops.empty() || graph.loss == Loss::kMeanSquaredError) return false;
  const auto* last = std::get_if<ActivationOp>(&graph.ops.back().kind);
  return last != nullptr && last->activation == Activation::kSoftmax;
}

std::vector<FusedOp> fuse(const Graph& graph) {
  const size_t count = graph.ops.size() - (loss_takes_logits(graph) ? 1 : 0);
  std::vector<FusedOp> fused;
  for (size_t i = 0; i < count; ++i) {
    const Op& op = graph.ops[i];
    if (is_identity(op) || (!fused.empty() && take_along(fused.back(), op))) continue;
    fused.push_back({.op = &op});
  }
  return fused;
}

bool has_parameters(const Op& op) {
  if (const auto* host = std::get_if<HostOp>(&op.kind)) return !host->parameters.empty();
  return is<Conv2DOp>(op) || is<DenseOp>(op);
}

bool computes_in_bfloat16(const Op& op) {
  return is<Conv2DOp>(op) || is<Pool2DOp>(op) || is<DenseOp>(op);
}

}  // namespace sluice::backend
