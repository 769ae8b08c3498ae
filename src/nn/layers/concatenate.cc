#include "sluice/layers/concatenate.h"

#include <fmt/core.h>

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

std::unique_ptr<Layer> Concatenate::from_config(const Config& config) {
  return std::make_unique<Concatenate>(ConcatenateOptions{.axis = config.get_int("axis", -1)});
}

Shape Concatenate::output_shape(const Shape& input) const {
  (void)nn::axis_of(*this, axis_, input);
  return input;
}

Shape Concatenate::merged_shape(std::span<const Shape> inputs) const {
  const auto axis = static_cast<size_t>(nn::axis_of(*this, axis_, inputs.front()));
  std::vector<int64_t> sizes = inputs.front().dims();
  for (const Shape& input : inputs.subspan(1)) {
    std::vector<int64_t> others = input.dims();
    if (others.size() == sizes.size()) others[axis] = sizes[axis];
    if (others != sizes) {
      nn::throw_shape_error(
          *this, fmt::format("inputs like {} but along axis {}", inputs.front().to_string(), axis_),
          input);
    }
    sizes[axis] += input.dims()[axis];
  }
  Shape output(sizes);
  nn::require_countable(*this, "output", output);
  return output;
}

void Concatenate::lower(nn::GraphBuilder& builder) const {
  std::vector<Shape> inputs;
  for (size_t i = 0; i < builder.input_count(); ++i) inputs.push_back(builder.input_shape(i));
  builder.append_merge(backend::ConcatenateOp{nn::axis_of(*this, axis_, inputs.front())},
                       merged_shape(inputs));
}

}  // namespace sluice
