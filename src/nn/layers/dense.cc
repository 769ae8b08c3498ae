#include "sluice/layers/dense.h"

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

Dense::Dense(const DenseOptions& options) : Layer(options.name), options_(options) {
  nn::require_size({"Dense", "units"}, options_.units);
  nn::parse_activation({"Dense", "activation"}, options_.activation);
  options_.kernel_initializer =
      nn::parse_initializer({"Dense", "kernel_initializer"}, options_.kernel_initializer);
  options_.bias_initializer =
      nn::parse_initializer({"Dense", "bias_initializer"}, options_.bias_initializer);
}

std::unique_ptr<Layer> Dense::from_config(const Config& config) {
  nn::require_keys(config, {"units"});
  DenseOptions options;
  options.units = config.get_int("units", 0);
  options.activation = config.get_string("activation", options.activation);
  options.use_bias = config.get_bool("use_bias", options.use_bias);
  options.kernel_initializer = config.get_string("kernel_initializer", options.kernel_initializer);
  options.bias_initializer = config.get_string("bias_initializer", options.bias_initializer);
  return std::make_unique<Dense>(options);
}

Config Dense::config() const {
  return Config()
      .set("units", options_.units)
      .set("activation", options_.activation)
      .set("use_bias", options_.use_bias)
      .set("kernel_initializer", options_.kernel_initializer)
      .set("bias_initializer", options_.bias_initializer)
      .set("kernel_regularizer", {})
      .set("bias_regularizer", {})
      .set("activity_regularizer", {})
      .set("kernel_constraint", {})
      .set("bias_constraint", {});
}

Shape Dense::output_shape(const Shape& input) const {
  if (input.rank() < 1) {
    nn::throw_shape_error(*this, "an input of rank 1 or more (without the batch)", input);
  }
  std::vector<int64_t> sizes = input.dims();
  sizes.back() = options_.units;
  return Shape(std::move(sizes));
}

std::vector<WeightSpec> Dense::weights(const Shape& input) const {
  const int64_t features = input[input.rank() - 1];
  std::vector<WeightSpec> weights = {
      {"kernel", {features, options_.units}, options_.kernel_initializer}};
  if (options_.use_bias) {
    weights.push_back({"bias", {options_.units}, options_.bias_initializer});
  }
  return weights;
}

void Dense::lower(nn::GraphBuilder& builder) const {
  backend::DenseOp op;
  op.kernel = builder.parameter("kernel");
  if (options_.use_bias) op.bias = builder.parameter("bias");
  builder.append(op, output_shape(builder.shape()));
  builder.append_activation(nn::parse_activation({"Dense", "activation"}, options_.activation));
}

}  // namespace sluice
