#include "sluice/layers/dot.h"

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "sluice/errors.h"

namespace sluice {
namespace {

// Without the axis.
std::vector<int64_t> others_of(const Shape& shape, int axis) {
  std::vector<int64_t> sizes = shape.dims();
  sizes.erase(sizes.begin() + axis);
  return sizes;
}

// An input, scaled to norm 1 along the axis.
void append_unit(nn::GraphBuilder& builder, size_t input, int axis) {
  constexpr double kLeastNorm = 1e-7;
  const Shape shape = builder.input_shape(input);
  backend::NormalizeOp op{.kind = backend::NormalizeOp::Kind::kUnit, .epsilon = kLeastNorm};
  for (int k = 0; k < shape.rank(); ++k) {
    op.view.push_back({.size = shape[k], .normalized = k == axis});
  }
  builder.append_to_input(input, std::move(op), shape);
}

// An input as [K, A, B], where its own places are along one of A and B.
void append_spread(nn::GraphBuilder& builder, size_t input, int axis, const Shape& output) {
  const Shape shape = builder.input_shape(input);
  std::vector<int64_t> sizes{shape[axis]};
  backend::RearrangeOp first{{{.from = axis}}};
  for (int k = 0; k < shape.rank(); ++k) {
    if (k == axis) continue;
    first.axes.push_back({.from = k});
    sizes.push_back(shape[k]);
  }
  builder.append_to_input(input, std::move(first), Shape(sizes));
  const int64_t places = shape.size() / shape[axis];
  const Shape own = input == 0 ? Shape{output[0], places, 1} : Shape{output[0], 1, places};
  builder.append_to_input(input, backend::ReshapeOp{}, own);
  builder.append_to_input(input,
                          backend::RearrangeOp{{{.from = 0},
                                                {.from = 1, .repeat = output[1] / own[1]},
                                                {.from = 2, .repeat = output[2] / own[2]}}},
                          output);
}

}  // namespace

Dot::Dot(const DotOptions& options) : Layer(options.name), options_(options) {
  if (options_.axes.empty() || options_.axes.size() > 2) {
    throw std::invalid_argument(
        fmt::format("Dot: axes = {}: must be one number, or one for each of the two inputs",
                    Shape(options_.axes).to_string()));
  }
}

std::unique_ptr<Layer> Dot::from_config(const Config& config) {
  nn::require_keys(config, {"axes"});
  return std::make_unique<Dot>(DotOptions{.axes = nn::get_axes(config, "axes", {}),
                                          .normalize = config.get_bool("normalize", false)});
}

Config Dot::config() const {
  return Config().set("axes", nn::axes_value(options_.axes)).set("normalize", options_.normalize);
}

int Dot::axis_of(size_t input, const Shape& shape) const {
  return nn::axis_of(*this, input == 0 ? options_.axes.front() : options_.axes.back(), shape);
}

Shape Dot::output_shape(const Shape& input) const {
  (void)axis_of(0, input);
  return input;
}

Shape Dot::merged_shape(std::span<const Shape> inputs) const {
  if (inputs.size() != 2) {
    throw ShapeError(fmt::format("Dot: expected two inputs, got {}", inputs.size()));
  }
  const Shape &x = inputs[0], &y = inputs[1];
  for (const Shape& input : inputs) {
    if (input.rank() > backend::RearrangeOp::kMostAxes) {
      nn::throw_shape_error(
          *this, fmt::format("inputs of at most {} axes", backend::RearrangeOp::kMostAxes), input);
    }
  }
  const int of_x = axis_of(0, x), of_y = axis_of(1, y);
  if (x[of_x] != y[of_y]) {
    nn::throw_shape_error(*this,
                          fmt::format("a second input of size {} along axis {}, as {} has", x[of_x],
                                      options_.axes.back(), x.to_string()),
                          y);
  }
  std::vector<int64_t> sizes = others_of(x, of_x);
  const std::vector<int64_t> more = others_of(y, of_y);
  sizes.insert(sizes.end(), more.begin(), more.end());
  if (sizes.empty()) sizes.push_back(1);
  Shape output(std::move(sizes));
  std::vector<int64_t> products = output.dims();
  products.push_back(x[of_x]);
  nn::require_countable(*this, "the products", Shape(std::move(products)));
  return output;
}

void Dot::lower(nn::GraphBuilder& builder) const {
  const Shape x = builder.input_shape(0), y = builder.input_shape(1);
  const std::vector<Shape> inputs{x, y};
  const Shape output = merged_shape(inputs);
  const int of_x = axis_of(0, x), of_y = axis_of(1, y);
  if (options_.normalize) {
    append_unit(builder, 0, of_x);
    append_unit(builder, 1, of_y);
  }
  const int64_t count = x[of_x];
  const Shape products{count, x.size() / count, y.size() / count};
  append_spread(builder, 0, of_x, products);
  append_spread(builder, 1, of_y, products);
  builder.append_merge(backend::MergeOp{backend::MergeOp::Kind::kMultiply}, products);
  // The sum is the mean, over a window of all rows, as often as there are.
  const Shape means{1, products[1], products[2]};
  builder.append(backend::Pool2DOp{.kind = backend::Pool2DOp::Kind::kAverage,
                                   .pool_h = count,
                                   .pool_w = 1,
                                   .stride_h = count,
                                   .stride_w = 1},
                 means);
  builder.append(backend::AffineOp{{0.0f}, {static_cast<float>(count)}, {0.0f}}, means);
  builder.append(backend::ReshapeOp{}, output);
}

}  // namespace sluice
