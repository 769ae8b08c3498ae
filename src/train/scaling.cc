#include "train/scaling.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "core/log.h"
#include "core/parameter_set.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"

namespace sluice::train {
namespace {

// y = (x - zero) factor
struct Line {
  float zero, factor;
};

std::vector<Line> lines_of(const backend::AffineOp& op) {
  std::vector<Line> lines;
  for (size_t i = 0; i < op.scale.size(); ++i) {
    lines.push_back({op.center[i] - op.offset[i] / op.scale[i], op.scale[i]});
  }
  return lines;
}

std::vector<Line> lines_of(const backend::StandardizeOp& op, const Model& model) {
  std::vector<Line> lines;
  const auto values = model.parameters().values();
  if (op.invert) return lines;
  for (size_t i = 0; i < op.mean.size; ++i) {
    const float variance = values[op.variance.offset + i];
    lines.push_back({values[op.mean.offset + i], 1 / std::max(std::sqrt(variance), 1e-7f)});
  }
  return lines;
}

// Values from 0 to 1 are neither made smaller still nor far from 0.
bool is_of_stored_values(const std::vector<Line>& lines) {
  return std::ranges::any_of(
      lines, [](const Line& line) { return std::abs(line.factor) < 1 || std::abs(line.zero) > 2; });
}

// What only moves or selects values.
bool keeps_values(const backend::Op& op) {
  return std::holds_alternative<backend::ReshapeOp>(op.kind) ||
         std::holds_alternative<backend::RearrangeOp>(op.kind) ||
         std::holds_alternative<backend::NoiseOp>(op.kind) ||
         std::holds_alternative<backend::InterpolateOp>(op.kind);
}

}  // namespace

std::optional<std::string> scaling_layer(const Model& model) {
  const backend::Graph graph = nn::lower(model, LossSpec(MeanSquaredError{}));
  std::vector<bool> is_input(graph.values.size());
  for (const backend::ValueId input : graph.inputs) is_input[input] = true;
  for (const backend::Op& op : graph.ops) {
    if (!is_input[op.inputs.front()]) continue;
    std::vector<Line> lines;
    if (const auto* affine = std::get_if<backend::AffineOp>(&op.kind)) lines = lines_of(*affine);
    if (const auto* standardize = std::get_if<backend::StandardizeOp>(&op.kind)) {
      lines = lines_of(*standardize, model);
    }
    if (is_of_stored_values(lines)) return op.name;
    is_input[op.output] = keeps_values(op);
  }
  return std::nullopt;
}

std::optional<std::string> scaled_twice(const Model& model, const data::RecordsInfo& info) {
  const auto& known = model.preprocessing();
  if (info.scale == 1 || (known && known->scale)) return std::nullopt;
  const std::optional<std::string> layer = scaling_layer(model);
  if (!layer) return std::nullopt;
  return fmt::format(
      "the values of {} come multiplied by {:g}, but the model scales values itself (layer \"{}\")",
      info.name, info.scale, *layer);
}

void warn_of_scaling(const Model& model, const data::RecordsInfo& info) {
  if (model.impl().warned_of_scaling) return;
  const std::optional<std::string> twice = scaled_twice(model, info);
  if (!twice || model.impl().warned_of_scaling.exchange(true)) return;
  SLUICE_LOG(warn,
             "{}: take Dataset::with_scale(1) for values as they are stored, or say by "
             "set_preprocessing() that the model was trained so",
             *twice);
}

}  // namespace sluice::train
