// What the layers that normalize within a sample have in common; gamma and beta also with those
// that normalize over a batch.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "backend/graph.h"
#include "nn/arguments.h"
#include "nn/initializers.h"
#include "nn/weight_rules.h"
#include "sluice/layer.h"

namespace sluice::nn {

void require_epsilon(const Argument& argument, double epsilon);

// Each axis of `shape` with its size, and those along which `layer` normalizes. Throws ShapeError,
// in its name, for none, for the batch, for what there is not and for an axis named twice.
std::vector<backend::NormalizeOp::Axis> view_of(const Layer& layer,
                                                const std::vector<int64_t>& axes,
                                                const Shape& shape);
// The sizes along which it normalizes.
Shape normalized_sizes(const std::vector<backend::NormalizeOp::Axis>& view);

// Calls visit("gamma", is it there, initializer, regularizer, constraint), and the same for beta.
template <typename Options, typename Visit>
void for_gamma_and_beta(Options& options, const Visit& visit) {
  visit("gamma", options.scale, options.gamma_initializer, options.gamma_regularizer,
        options.gamma_constraint);
  visit("beta", options.center, options.beta_initializer, options.beta_regularizer,
        options.beta_constraint);
}

// Checks what options say of gamma and beta, and gives all by their Keras names. Throws
// std::invalid_argument.
template <typename Options>
void check_gamma_and_beta(const char* layer_class, Options& options) {
  for_gamma_and_beta(options, [&](const std::string& weight, bool, Initializer& initializer,
                                  std::string& regularizer, std::string& constraint) {
    const auto parse_with = [&](auto parse, const std::string& argument, auto& text) {
      text = parse({layer_class, argument.c_str()}, text);
    };
    parse_with(parse_initializer, weight + "_initializer", initializer);
    parse_with(parse_regularizer, weight + "_regularizer", regularizer);
    parse_with(parse_constraint, weight + "_constraint", constraint);
  });
}

template <typename Options>
void read_gamma_and_beta(const Config& config, Options& options) {
  options.center = config.get_bool("center", options.center);
  options.scale = config.get_bool("scale", options.scale);
  for_gamma_and_beta(options, [&](const std::string& weight, bool, Initializer& initializer,
                                  std::string& regularizer, std::string& constraint) {
    initializer = get_initializer(config, weight + "_initializer", initializer);
    regularizer = config.get_string(weight + "_regularizer", regularizer);
    constraint = config.get_string(weight + "_constraint", constraint);
  });
}

template <typename Options>
Config write_gamma_and_beta(Config config, const Options& options) {
  config.set("center", options.center).set("scale", options.scale);
  for_gamma_and_beta(options, [&](const std::string& weight, bool, const Initializer& initializer,
                                  const std::string& regularizer, const std::string& constraint) {
    config.set(weight + "_initializer", to_value(initializer))
        .set(weight + "_regularizer", or_null(regularizer))
        .set(weight + "_constraint", or_null(constraint));
  });
  return config;
}

template <typename Options>
std::vector<WeightSpec> gamma_and_beta(const Options& options, const Shape& shape) {
  std::vector<WeightSpec> weights;
  for_gamma_and_beta(options,
                     [&](const std::string& weight, bool is_there, const Initializer& initializer,
                         const std::string& regularizer, const std::string& constraint) {
                       if (!is_there) return;
                       weights.push_back({.name = weight,
                                          .shape = shape,
                                          .initializer = initializer,
                                          .regularizer = regularizer,
                                          .constraint = constraint});
                     });
  return weights;
}

}  // namespace sluice::nn
