// What Dense and the convolutions have in common: y = activation(product of x and kernel + bias).
// `Options` is DenseOptions, Conv2DOptions or any other of theirs.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "nn/activations.h"
#include "nn/arguments.h"
#include "nn/graph_builder.h"
#include "nn/initializers.h"
#include "nn/weight_rules.h"
#include "sluice/layer.h"

namespace sluice::nn {

// What options say of one weight.
template <typename Draw, typename Text>  // Initializer and std::string, const where the options are
struct WeightOptions {
  std::string prefix;  // "kernel" of kernel_initializer
  Draw& initializer;
  Text& regularizer;
  Text& constraint;
};

// Calls visit(WeightOptions) for each weight that there are options for: the kernel, or the
// depthwise one and the pointwise one, then the bias.
template <typename Options, typename Visit>
void for_each_weight(Options& options, const Visit& visit) {
  constexpr bool kConst = std::is_const_v<Options>;
  using Draw = std::conditional_t<kConst, const Initializer, Initializer>;
  using Text = std::conditional_t<kConst, const std::string, std::string>;
  using Weight = WeightOptions<Draw, Text>;
  if constexpr (requires { options.kernel_initializer; }) {
    visit(Weight{"kernel", options.kernel_initializer, options.kernel_regularizer,
                 options.kernel_constraint});
  }
  if constexpr (requires { options.depthwise_initializer; }) {
    visit(Weight{"depthwise", options.depthwise_initializer, options.depthwise_regularizer,
                 options.depthwise_constraint});
  }
  if constexpr (requires { options.pointwise_initializer; }) {
    visit(Weight{"pointwise", options.pointwise_initializer, options.pointwise_regularizer,
                 options.pointwise_constraint});
  }
  visit(
      Weight{"bias", options.bias_initializer, options.bias_regularizer, options.bias_constraint});
}

// Checks the activation, the initializers, regularizers and constraints, and leaves out what is
// Keras' default. Throws std::invalid_argument.
template <typename Options>
void check_kernel_options(const char* layer_class, Options& options) {
  options.activation = parse_activation({layer_class, "activation"}, options.activation);
  options.activity_regularizer = parse_activity_regularizer({layer_class, "activity_regularizer"},
                                                            options.activity_regularizer);
  for_each_weight(options, [&](const auto& weight) {
    const auto parse_with = [&](auto parse, const char* what, auto& text) {
      const std::string argument = weight.prefix + what;
      text = parse({layer_class, argument.c_str()}, text);
    };
    parse_with(parse_initializer, "_initializer", weight.initializer);
    parse_with(parse_regularizer, "_regularizer", weight.regularizer);
    parse_with(parse_constraint, "_constraint", weight.constraint);
  });
}

// Reads them from Keras' config; what is absent stays.
template <typename Options>
void read_kernel_options(const Config& config, Options& options) {
  options.activation = get_activation(config, "activation", options.activation);
  options.use_bias = config.get_bool("use_bias", options.use_bias);
  options.activity_regularizer =
      config.get_string("activity_regularizer", options.activity_regularizer);
  for_each_weight(options, [&](const auto& weight) {
    const auto read = [&](const char* what, std::string& text) {
      text = config.get_string(weight.prefix + what, text);
    };
    weight.initializer =
        get_initializer(config, weight.prefix + "_initializer", weight.initializer);
    read("_regularizer", weight.regularizer);
    read("_constraint", weight.constraint);
  });
}

// Writes them, in Keras' order.
template <typename Options>
Config write_kernel_options(Config config, const Options& options) {
  config.set("activation", to_value(options.activation)).set("use_bias", options.use_bias);
  for_each_weight(options, [&](const auto& weight) {
    config.set(weight.prefix + "_initializer", to_value(weight.initializer));
  });
  for_each_weight(options, [&](const auto& weight) {
    config.set(weight.prefix + "_regularizer", or_null(weight.regularizer));
  });
  config.set("activity_regularizer", or_null(options.activity_regularizer));
  for_each_weight(options, [&](const auto& weight) {
    config.set(weight.prefix + "_constraint", or_null(weight.constraint));
  });
  return config;
}

// A weight of that name, as the options with that prefix say.
template <typename Options>
WeightSpec weight_of(const Options& options, const std::string& prefix, std::string name,
                     Shape shape) {
  WeightSpec spec{.name = std::move(name), .shape = std::move(shape)};
  for_each_weight(options, [&](const auto& weight) {
    if (weight.prefix != prefix) return;
    spec.initializer = weight.initializer;
    spec.regularizer = weight.regularizer;
    spec.constraint = weight.constraint;
  });
  return spec;
}

// The kernels and, where there is one, the bias, a number for each output.
template <typename Options>
std::vector<WeightSpec> with_bias(std::vector<WeightSpec> kernels, const Options& options,
                                  int64_t outputs) {
  if (options.use_bias) kernels.push_back(weight_of(options, "bias", "bias", {outputs}));
  return kernels;
}

// Appends the activation, and the penalty of what it gives. `layer` has options().
template <typename LayerType>
void append_kernel_activation(GraphBuilder& builder, const LayerType& layer) {
  const auto& options = layer.options();
  builder.append_activation(activation_op(layer, options.activation, builder.shape()));
  if (options.activity_regularizer.empty()) return;
  builder.add_activity_penalty(activity_penalty(options.activity_regularizer));
}

}  // namespace sluice::nn
