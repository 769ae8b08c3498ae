#include "sluice/layers/merge.h"

#include <fmt/core.h>

#include <optional>
#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

using Kind = backend::MergeOp::Kind;

// The sizes of all inputs together, from the last axis on: equal, or 1 in some.
std::optional<Shape> broadcast(std::span<const Shape> inputs) {
  std::vector<int64_t> sizes;
  for (const Shape& input : inputs) {
    if (input.dims().size() > sizes.size()) {
      sizes.insert(sizes.begin(), input.dims().size() - sizes.size(), 1);
    }
    const size_t first = sizes.size() - input.dims().size();
    for (size_t k = 0; k < input.dims().size(); ++k) {
      int64_t& size = sizes[first + k];
      const int64_t other = input.dims()[k];
      if (size != other && size != 1 && other != 1) return std::nullopt;
      if (size == 1) size = other;
    }
  }
  return Shape(sizes);
}

// Input number `input` with the sizes of `output`.
void append_broadcast(nn::GraphBuilder& builder, size_t input, const Shape& output) {
  if (builder.input_shape(input) == output) return;
  std::vector<int64_t> sizes = builder.input_shape(input).dims();
  sizes.insert(sizes.begin(), output.dims().size() - sizes.size(), 1);
  builder.append_to_input(input, backend::ReshapeOp{}, Shape(sizes));
  backend::RearrangeOp op;
  for (size_t k = 0; k < sizes.size(); ++k) {
    op.axes.push_back({.from = static_cast<int>(k), .repeat = output.dims()[k] / sizes[k]});
  }
  builder.append_to_input(input, std::move(op), output);
}

void append(nn::GraphBuilder& builder, const Merge& layer, Kind kind) {
  std::vector<Shape> inputs;
  for (size_t i = 0; i < builder.input_count(); ++i) inputs.push_back(builder.input_shape(i));
  const Shape output = layer.merged_shape(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) append_broadcast(builder, i, output);
  builder.append_merge(backend::MergeOp{kind}, output);
}

}  // namespace

Shape Merge::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() > backend::MergeOp::kMostInputs) {
    throw std::invalid_argument(fmt::format("{}: expected at most {} inputs, got {}", class_name(),
                                            backend::MergeOp::kMostInputs, inputs.size()));
  }
  std::string shapes;
  for (const Shape& input : inputs) {
    if (input.rank() > backend::RearrangeOp::kMostAxes && input != inputs.front()) {
      nn::throw_shape_error(*this, "inputs of one shape, or of fewer axes", input);
    }
    shapes += (shapes.empty() ? "" : ", ") + input.to_string();
  }
  if (const std::optional<Shape> output = broadcast(inputs)) {
    nn::require_countable(*this, "output", *output);
    return *output;
  }
  throw ShapeError(fmt::format("{}{}: expected inputs whose sizes are equal or 1, got {}",
                               class_name(), name().empty() ? "" : fmt::format(" \"{}\"", name()),
                               shapes));
}

Shape Subtract::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() == 2) return Merge::merged_shape(inputs);
  throw ShapeError(fmt::format("Subtract: expected two inputs, got {}", inputs.size()));
}

void Add::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kAdd); }
void Subtract::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kSubtract); }
void Multiply::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kMultiply); }
void Average::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kAverage); }
void Maximum::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kMaximum); }
void Minimum::lower(nn::GraphBuilder& builder) const { append(builder, *this, Kind::kMinimum); }

}  // namespace sluice
