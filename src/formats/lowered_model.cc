#include "formats/lowered_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/parameter_set.h"
#include "nn/lowering.h"

namespace sluice::formats {

LoweredModel::LoweredModel(const Model& model, const std::string& format)
    : graph(nn::lower(model, "mse")),
      weights(model.parameters().values()),
      inputs(model.input_names()),
      outputs(model.output_names()) {
  for (const backend::Op& op : graph.ops) {
    if (!std::holds_alternative<backend::HostOp>(op.kind)) continue;
    throw std::invalid_argument(
        fmt::format("layer \"{}\" is computed by the program's own code, which {} cannot hold",
                    op.name, format));
  }
}

std::vector<int64_t> permuted(const std::vector<int64_t>& dims, const std::vector<int>& order) {
  std::vector<int64_t> result;
  for (const int axis : order) result.push_back(dims[static_cast<size_t>(axis)]);
  return result;
}

std::vector<float> transposed(std::span<const float> x, const std::vector<int64_t>& dims,
                              const std::vector<int>& order) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t k = dims.size(); k-- > 1;) strides[k - 1] = strides[k] * dims[k];
  const std::vector<int64_t> sizes = permuted(dims, order), steps = permuted(strides, order);
  std::vector<int64_t> at(sizes.size(), 0);
  std::vector<float> y;
  y.reserve(x.size());
  int64_t from = 0;
  while (y.size() < x.size()) {
    y.push_back(x[static_cast<size_t>(from)]);
    for (size_t k = sizes.size(); k-- > 0;) {
      from += steps[k];
      if (++at[k] < sizes[k]) break;
      from -= steps[k] * sizes[k];
      at[k] = 0;
    }
  }
  return y;
}

AxisMove move_of(const backend::RearrangeOp::Axis& axis, int64_t input, int64_t output) {
  AxisMove move{.repeat = axis.repeat};
  const int64_t needed = (output + axis.repeat - 1) / axis.repeat;  // before the repetition
  move.surplus = needed * axis.repeat - output;
  // Element i of what is needed is x[i - before].
  const int64_t begin = std::clamp<int64_t>(-axis.before, 0, input);
  const int64_t end = std::clamp<int64_t>(needed - axis.before, begin, input);
  move.crop_before = begin;
  move.crop_after = input - end;
  move.pad_before = std::clamp<int64_t>(axis.before, 0, needed);
  move.pad_after = needed - move.pad_before - (end - begin);
  return move;
}

ChannelAffine affine_of(const LoweredModel& model, const backend::BatchNormOp& op) {
  const auto mean = model.values_of(op.mean), variance = model.values_of(op.variance);
  ChannelAffine affine;
  for (size_t c = 0; c < mean.size(); ++c) {
    const double gamma = op.gamma ? model.values_of(*op.gamma)[c] : 1.0f;
    const double beta = op.beta ? model.values_of(*op.beta)[c] : 0.0f;
    const double factor = gamma / std::sqrt(static_cast<double>(variance[c]) + op.epsilon);
    affine.factor.push_back(static_cast<float>(factor));
    affine.term.push_back(static_cast<float>(beta - mean[c] * factor));
  }
  return affine;
}

std::vector<int64_t> weight_dims(const backend::NormalizeOp& op) {
  std::vector<int64_t> dims;
  for (const auto& axis : op.view) dims.push_back(axis.weighted ? axis.size : 1);
  return dims;
}

std::vector<float> deviations_of(const LoweredModel& model, const backend::StandardizeOp& op) {
  std::vector<float> deviations;
  for (const float variance : model.values_of(op.variance)) {
    deviations.push_back(std::max(std::sqrt(variance), 1e-7f));
  }
  return deviations;
}

std::vector<float> table_with_borders(const LoweredModel& model, const backend::EmbeddingOp& op) {
  const auto rows = model.values_of(op.table);
  const size_t columns = rows.size() / static_cast<size_t>(op.rows);
  std::vector<float> table(columns, std::numeric_limits<float>::quiet_NaN());
  table.reserve(rows.size() + 2 * columns);
  table.insert(table.end(), rows.begin(), rows.end());
  table.insert(table.end(), columns, std::numeric_limits<float>::quiet_NaN());
  return table;
}

}  // namespace sluice::formats
