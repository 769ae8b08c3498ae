#include "sluice/layers/merge.h"

#include <fmt/core.h>

#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

using Kind = backend::MergeOp::Kind;

void append(nn::GraphBuilder& builder, Kind kind) {
  builder.append_merge(backend::MergeOp{kind}, builder.shape());
}

}  // namespace

Shape Merge::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() > backend::MergeOp::kMostInputs) {
    throw std::invalid_argument(fmt::format("{}: expected at most {} inputs, got {}", class_name(),
                                            backend::MergeOp::kMostInputs, inputs.size()));
  }
  for (const Shape& input : inputs) {
    if (input != inputs.front()) {
      nn::throw_shape_error(*this, "inputs " + inputs.front().to_string(), input);
    }
  }
  return inputs.front();
}

Shape Subtract::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() == 2) return Merge::merged_shape(inputs);
  throw ShapeError(fmt::format("Subtract: expected two inputs, got {}", inputs.size()));
}

void Add::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kAdd); }
void Subtract::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kSubtract); }
void Multiply::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kMultiply); }
void Average::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kAverage); }
void Maximum::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kMaximum); }
void Minimum::lower(nn::GraphBuilder& builder) const { append(builder, Kind::kMinimum); }

}  // namespace sluice
