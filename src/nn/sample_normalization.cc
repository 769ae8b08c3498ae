#include "nn/sample_normalization.h"

#include <fmt/core.h>

namespace sluice::nn {

void require_epsilon(const Argument& argument, double epsilon) {
  if (!(epsilon >= 0 && epsilon <= 1e6)) refuse_number(argument, epsilon, "must be from 0 to 1e6");
}

std::vector<backend::NormalizeOp::Axis> view_of(const Layer& layer,
                                                const std::vector<int64_t>& axes,
                                                const Shape& shape) {
  std::vector<backend::NormalizeOp::Axis> view;
  for (const int64_t size : shape.dims()) view.push_back({.size = size});
  if (axes.empty()) throw_shape_error(layer, "at least one axis to normalize", shape);
  for (const int64_t axis : axes) {
    backend::NormalizeOp::Axis& named = view[static_cast<size_t>(axis_of(layer, axis, shape))];
    if (named.normalized) {
      throw_shape_error(layer, fmt::format("axis {} to be named once", axis), shape);
    }
    named.normalized = true;
  }
  return view;
}

Shape normalized_sizes(const std::vector<backend::NormalizeOp::Axis>& view) {
  std::vector<int64_t> sizes;
  for (const auto& axis : view) {
    if (axis.normalized) sizes.push_back(axis.size);
  }
  return Shape(std::move(sizes));
}

}  // namespace sluice::nn
