// What Dense and Conv2D have in common: y = activation(product of x and kernel + bias). `Options`
// is DenseOptions or Conv2DOptions.
#pragma once

#include <string>
#include <vector>

#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/weight_rules.h"
#include "sluice/layer.h"

namespace sluice::nn {

// visit(argument, is_constraint, text) for the regularizers and constraints.
template <typename Options, typename Visit>
void for_weight_rules(Options& options, Visit visit) {
  visit("kernel_regularizer", false, options.kernel_regularizer);
  visit("bias_regularizer", false, options.bias_regularizer);
  visit("kernel_constraint", true, options.kernel_constraint);
  visit("bias_constraint", true, options.bias_constraint);
}

// Checks the activation and the initializers, which get Keras' snake-case names. Throws
// std::invalid_argument.
template <typename Options>
void check_kernel_options(const char* layer_class, Options& options) {
  parse_activation({layer_class, "activation"}, options.activation);
  const auto name_initializer = [&](const char* argument, std::string& initializer) {
    initializer = parse_initializer({layer_class, argument}, initializer);
  };
  name_initializer("kernel_initializer", options.kernel_initializer);
  name_initializer("bias_initializer", options.bias_initializer);
  for_weight_rules(options, [&](const char* argument, bool is_constraint, std::string& rule) {
    const auto parse = is_constraint ? parse_constraint : parse_regularizer;
    rule = parse({layer_class, argument}, rule);
  });
}

// Reads them from Keras' config; what is absent stays.
template <typename Options>
void read_kernel_options(const Config& config, Options& options) {
  options.activation = config.get_string("activation", options.activation);
  options.use_bias = config.get_bool("use_bias", options.use_bias);
  options.kernel_initializer = config.get_string("kernel_initializer", options.kernel_initializer);
  options.bias_initializer = config.get_string("bias_initializer", options.bias_initializer);
  for_weight_rules(options, [&](const char* argument, bool, std::string& rule) {
    rule = config.get_string(argument, rule);
  });
}

inline ConfigValue or_null(const std::string& text) {
  return text.empty() ? ConfigValue() : ConfigValue(text);
}

// Writes them, and what Keras has and Sluice has not.
template <typename Options>
Config write_kernel_options(Config config, const Options& options) {
  return config.set("activation", options.activation)
      .set("use_bias", options.use_bias)
      .set("kernel_initializer", options.kernel_initializer)
      .set("bias_initializer", options.bias_initializer)
      .set("kernel_regularizer", or_null(options.kernel_regularizer))
      .set("bias_regularizer", or_null(options.bias_regularizer))
      .set("activity_regularizer", {})
      .set("kernel_constraint", or_null(options.kernel_constraint))
      .set("bias_constraint", or_null(options.bias_constraint));
}

// The kernel of this shape and, where there is one, the bias, a number for each output.
template <typename Options>
std::vector<WeightSpec> kernel_weights(const Options& options, Shape kernel) {
  const int64_t outputs = kernel.dims().back();
  std::vector<WeightSpec> weights = {{.name = "kernel",
                                      .shape = std::move(kernel),
                                      .initializer = options.kernel_initializer,
                                      .regularizer = options.kernel_regularizer,
                                      .constraint = options.kernel_constraint}};
  if (options.use_bias) {
    weights.push_back({.name = "bias",
                       .shape = {outputs},
                       .initializer = options.bias_initializer,
                       .regularizer = options.bias_regularizer,
                       .constraint = options.bias_constraint});
  }
  return weights;
}

// Appends `op`, with its kernel and bias, and the activation. `layer` has options().
template <typename LayerType, typename KernelOp>
void append_kernel_op(GraphBuilder& builder, const LayerType& layer, KernelOp op) {
  op.kernel = builder.parameter("kernel");
  if (layer.options().use_bias) op.bias = builder.parameter("bias");
  builder.append(op, layer.output_shape(builder.shape()));
  const std::string layer_class = layer.class_name();
  builder.append_activation(
      parse_activation({layer_class.c_str(), "activation"}, layer.options().activation));
}

}  // namespace sluice::nn
