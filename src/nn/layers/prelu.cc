#include "sluice/layers/prelu.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/initializers.h"
#include "nn/weight_rules.h"

namespace sluice {
namespace {

// Each axis of `shape`, weighted where it is not shared; all of a sample is one group. Throws
// ShapeError.
std::vector<backend::NormalizeOp::Axis> slopes_of(const PReLU& layer, const Shape& shape) {
  std::vector<backend::NormalizeOp::Axis> view;
  for (const int64_t size : shape.dims()) {
    view.push_back({.size = size, .normalized = true, .weighted = true});
  }
  for (const int64_t axis : layer.options().shared_axes) {
    view[static_cast<size_t>(nn::axis_of(layer, axis, shape))].weighted = false;
  }
  return view;
}

}  // namespace

PReLU::PReLU(const PReLUOptions& options) : Layer(options.name), options_(options) {
  const auto parse_with = [](auto parse, const char* argument, auto& text) {
    text = parse({"PReLU", argument}, text);
  };
  parse_with(nn::parse_initializer, "alpha_initializer", options_.alpha_initializer);
  parse_with(nn::parse_regularizer, "alpha_regularizer", options_.alpha_regularizer);
  parse_with(nn::parse_constraint, "alpha_constraint", options_.alpha_constraint);
  for (const int64_t axis : options_.shared_axes) {
    // Keras counts -1 as the last but one.
    if (axis < 1) {
      nn::refuse_number({"PReLU", "shared_axes"}, static_cast<double>(axis),
                        "must be at least 1: the batch is axis 0");
    }
  }
}

std::unique_ptr<Layer> PReLU::from_config(const Config& config) {
  PReLUOptions options;
  options.alpha_initializer =
      nn::get_initializer(config, "alpha_initializer", options.alpha_initializer);
  options.alpha_regularizer = config.get_string("alpha_regularizer", options.alpha_regularizer);
  options.alpha_constraint = config.get_string("alpha_constraint", options.alpha_constraint);
  options.shared_axes = nn::get_axes(config, "shared_axes", options.shared_axes);
  return std::make_unique<PReLU>(options);
}

Config PReLU::config() const {
  const std::vector<int64_t>& shared = options_.shared_axes;
  return Config()
      .set("alpha_initializer", nn::to_value(options_.alpha_initializer))
      .set("alpha_regularizer", nn::or_null(options_.alpha_regularizer))
      .set("alpha_constraint", nn::or_null(options_.alpha_constraint))
      .set("shared_axes", shared.empty() ? ConfigValue() : ConfigValue(shared));
}

Shape PReLU::output_shape(const Shape& input) const {
  (void)slopes_of(*this, input);
  return input;
}

std::vector<WeightSpec> PReLU::weights(const Shape& input) const {
  std::vector<int64_t> sizes;
  for (const auto& axis : slopes_of(*this, input)) sizes.push_back(axis.weighted ? axis.size : 1);
  return {{.name = "alpha",
           .shape = Shape(std::move(sizes)),
           .initializer = options_.alpha_initializer,
           .regularizer = options_.alpha_regularizer,
           .constraint = options_.alpha_constraint}};
}

void PReLU::lower(nn::GraphBuilder& builder) const {
  // relu(x) - alpha relu(-x), whose gradient at 0 is Keras'.
  const Shape shape = builder.shape();
  const backend::ActivationOp relu{backend::Activation::kRelu};
  builder.repeat_input();
  builder.append_to_input(0, relu, shape);
  builder.append_to_input(1, backend::AffineOp{{0.0f}, {-1.0f}, {0.0f}}, shape);
  builder.append_to_input(1, relu, shape);
  builder.append_to_input(1,
                          backend::NormalizeOp{.kind = backend::NormalizeOp::Kind::kNone,
                                               .view = slopes_of(*this, shape),
                                               .gamma = builder.parameter("alpha")},
                          shape);
  builder.append_merge(backend::MergeOp{backend::MergeOp::Kind::kSubtract}, shape);
}

}  // namespace sluice
