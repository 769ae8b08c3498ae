#include "backend/cpu/stages.h"

#include "backend/cpu/onednn.h"
#include "backend/fusion.h"

namespace sluice::backend::cpu {
namespace {

bool is_conv(const Stage& stage) { return std::holds_alternative<Conv2DOp>(stage.op->kind); }
bool is_pool(const Stage& stage) { return std::holds_alternative<Pool2DOp>(stage.op->kind); }
bool in_blocks(int64_t channels) { return channels % kChannelBlock == 0; }

// Whether stage i reads the image that stage i - 1 writes as it is, without a reshape in between.
bool follows(const std::vector<Stage>& stages, size_t i) {
  return i > 0 && i < stages.size() && stages[i].op->input == stages[i - 1].op->output;
}

// Whether the convolutions [begin, end), which follow one another, can all work in blocks of
// channels. Poolings convert for free; at the ends there must be one, or an image of a few
// channels.
bool run_in_blocks(const std::vector<Stage>& stages, size_t begin, size_t end) {
  if (!follows(stages, end) || !is_pool(stages[end])) return false;
  const int64_t channels = stages[begin].op->input[2];
  const bool from_pool =
      follows(stages, begin) && is_pool(stages[begin - 1]) && in_blocks(channels);
  const bool from_input = begin == 0 && channels <= 3;
  if (!from_pool && !from_input) return false;
  for (size_t i = begin; i < end; ++i) {
    if (!in_blocks(stages[i].op->output[2])) return false;
  }
  return true;
}

void choose_layouts(std::vector<Stage>& stages) {
  for (size_t begin = 0; begin < stages.size(); ++begin) {
    if (!is_conv(stages[begin])) continue;
    size_t end = begin + 1;
    while (follows(stages, end) && is_conv(stages[end])) ++end;
    if (run_in_blocks(stages, begin, end)) {
      for (size_t i = begin; i < end; ++i) stages[i].output_layout = Layout::kBlocked16;
      if (begin > 0) stages[begin - 1].output_layout = Layout::kBlocked16;
    }
    begin = end - 1;
  }
  for (size_t i = 1; i < stages.size(); ++i) stages[i].input_layout = stages[i - 1].output_layout;
}

// Convolutions, dense layers and poolings in bfloat16, the others and the last value in float32,
// and a cast between two that do not agree.
std::vector<Stage> with_casts(std::vector<Stage> stages) {
  std::vector<Stage> result;
  Type type = Type::kFloat32;
  const auto change_to = [&](Type wanted, const Shape& shape, Layout layout) {
    if (wanted == type) return;
    result.push_back(
        {.cast = &shape, .input_layout = layout, .output_layout = layout, .output_type = wanted});
    type = wanted;
  };
  for (Stage& stage : stages) {
    change_to(computes_in_bfloat16(*stage.op) ? Type::kBfloat16 : Type::kFloat32, stage.op->input,
              stage.input_layout);
    // A dense layer adds up in float32, and can leave its outputs so for the loss.
    const bool is_last = &stage == &stages.back();
    if (is_last && std::holds_alternative<DenseOp>(stage.op->kind)) type = Type::kFloat32;
    stage.output_type = type;
    result.push_back(stage);
  }
  if (!stages.empty()) {
    change_to(Type::kFloat32, stages.back().op->output, stages.back().output_layout);
  }
  return result;
}

}  // namespace

std::vector<Stage> make_stages(const Graph& graph, Precision precision) {
  std::vector<Stage> stages;
  for (const FusedOp& fused : fuse(graph)) {
    stages.push_back(
        {.op = fused.op, .activation = fused.activation, .trains = has_parameters(*fused.op)});
  }
  if (uses_avx512()) choose_layouts(stages);
  return precision == Precision::kMixedBfloat16 ? with_casts(std::move(stages)) : stages;
}

}  // namespace sluice::backend::cpu
