#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {
namespace {

bool is_dense(const Stage& stage) {
  return stage.op != nullptr && std::holds_alternative<DenseOp>(stage.op->kind);
}

// Convolutions, dense layers and poolings in bfloat16, the others and the last value in float32,
// and a cast between two that do not agree.
std::vector<Stage> with_casts(const std::vector<Stage>& stages) {
  std::vector<Stage> result;
  DataType type = DataType::kFloat32;
  const auto change_to = [&](DataType wanted, const Shape& shape) {
    if (wanted != type) result.push_back({.cast = &shape, .output_type = wanted});
    type = wanted;
  };
  for (const Stage& stage : stages) {
    const bool bfloat16 = computes_in_bfloat16(*stage.op);
    change_to(bfloat16 ? DataType::kBfloat16 : DataType::kFloat32, stage.op->input);
    // A dense layer adds up in float32, and can leave its outputs so for the loss.
    if (&stage == &stages.back() && is_dense(stage)) type = DataType::kFloat32;
    result.push_back(stage);
    result.back().output_type = type;
  }
  if (!stages.empty()) change_to(DataType::kFloat32, stages.back().op->output);
  return result;
}

}  // namespace

std::vector<Stage> make_stages(const Graph& graph, Precision precision) {
  std::vector<Stage> stages;
  for (const FusedOp& fused : fuse(graph)) {
    stages.push_back(
        {.op = fused.op, .activation = fused.activation, .trains = has_parameters(*fused.op)});
  }
  if (precision == Precision::kMixedBfloat16) stages = with_casts(stages);
  return stages;
}

}  // namespace sluice::backend::cuda
