// Optimizers for tests that must hold for each: every update rule, and what all of them have.
#pragma once

#include <vector>

#include "sluice/optimizers.h"

namespace sluice {

inline std::vector<OptimizerSpec> every_rule() {
  return {SGD({.learning_rate = 0.1}),
          SGD({.learning_rate = 0.1, .momentum = 0.9f}),
          SGD({.learning_rate = 0.1, .momentum = 0.9f, .nesterov = true}),
          RMSprop(),
          RMSprop({.momentum = 0.9f}),
          RMSprop({.epsilon = 1e-3f, .centered = true}),
          RMSprop({.momentum = 0.9f, .epsilon = 1e-3f, .centered = true}),
          Adagrad(),
          Adadelta({.learning_rate = 1}),
          Adam(),
          Adam({.beta_2 = 0.5f, .amsgrad = true}),
          AdamW(),
          Adamax(),
          Nadam(),
          Lion(),
          Ftrl({.l1_regularization_strength = 0.01f, .beta = 0.1f}),
          Ftrl({.learning_rate_power = -0.75f})};
}

inline std::vector<OptimizerSpec> every_common_option() {
  return {SGD({.learning_rate = 0.1, .clipvalue = 0.01f}),
          Adam({.weight_decay = 0.1f, .clipvalue = 0.01f}),
          Adam({.weight_decay = 0.5f, .exclude_from_weight_decay = {"bias"}}),
          SGD({.learning_rate = 0.1, .clipnorm = 0.01f}),
          AdamW({.clipnorm = 0.05f}),
          SGD({.learning_rate = 0.1, .momentum = 0.5f, .global_clipnorm = 0.02f}),
          SGD({.learning_rate = 0.1, .use_ema = true, .ema_momentum = 0.5f}),
          Adam({.use_ema = true, .ema_overwrite_frequency = 2}),
          Adam({.learning_rate = ExponentialDecay(
                    {.initial_learning_rate = 0.01, .decay_steps = 2, .decay_rate = 0.5})})};
}

inline std::vector<OptimizerSpec> every_setting() {
  std::vector<OptimizerSpec> settings = every_rule();
  for (const OptimizerSpec& spec : every_common_option()) settings.push_back(spec);
  return settings;
}

}  // namespace sluice
