// How gradients become steps: SGD, RMSprop, Adagrad and Adam with Keras' defaults and formulas.
//
//   trainer options: .optimizer = "adam"      or      .optimizer = Adam({.learning_rate = 5e-4f})
//
// Notation: g gradient, w parameter, t the step counted from 1, all elementwise; the slots m, v and
// a start at 0 where nothing else is said.
//
// Ranges, checked when training starts (std::invalid_argument): learning_rate, epsilon and
// initial_accumulator_value finite and at least 0; momentum from 0 to 1; rho and both betas at
// least 0 and below 1.
#pragma once

#include <string>

namespace sluice {

// A choice of optimizer with its hyperparameters; fields that the optimizer does not use are
// ignored.
struct OptimizerSpec {
  OptimizerSpec() = default;
  // "sgd", "rmsprop", "adagrad" or "adam" with Keras' defaults, in any letter case.
  // Throws std::invalid_argument for any other name.
  OptimizerSpec(const char* which) : OptimizerSpec(std::string(which)) {}  // NOLINT: implicit
  OptimizerSpec(const std::string& which);                                 // NOLINT: implicit

  std::string name = "sgd";
  float learning_rate = 0.01f;
  float momentum = 0.0f;                   // SGD, RMSprop
  bool nesterov = false;                   // SGD
  float rho = 0.9f;                        // RMSprop
  bool centered = false;                   // RMSprop
  float initial_accumulator_value = 0.1f;  // Adagrad
  float beta_1 = 0.9f;                     // Adam
  float beta_2 = 0.999f;                   // Adam
  float epsilon = 1e-7f;                   // RMSprop, Adagrad, Adam

  friend bool operator==(const OptimizerSpec&, const OptimizerSpec&) = default;
};

// momentum = 0:  w -= lr g
// otherwise:     m = momentum m - lr g;   w += m,   or with Nesterov   w += momentum m - lr g
// Keras: keras.optimizers.SGD.
struct SgdOptions {
  float learning_rate = 0.01f;
  float momentum = 0.0f;
  bool nesterov = false;
};
OptimizerSpec SGD(const SgdOptions& options = {});

// v = rho v + (1 - rho) g^2
//
// d = v,   or centered   a = rho a + (1 - rho) g,  d = max(v - a^2, 0)
//
// w -= lr g / sqrt(d + epsilon),   or with momentum   m = momentum m + lr g / sqrt(d + epsilon),
// w -= m
//
// Tieleman & Hinton, 2012. Keras: keras.optimizers.RMSprop.
struct RmspropOptions {
  float learning_rate = 0.001f;
  float rho = 0.9f;
  float momentum = 0.0f;
  float epsilon = 1e-7f;
  bool centered = false;
};
OptimizerSpec RMSprop(const RmspropOptions& options = {});

// a += g^2 (from initial_accumulator_value);   w -= lr g / sqrt(a + epsilon)
// Duchi et al., 2011. Keras: keras.optimizers.Adagrad.
struct AdagradOptions {
  float learning_rate = 0.001f;
  float initial_accumulator_value = 0.1f;
  float epsilon = 1e-7f;
};
OptimizerSpec Adagrad(const AdagradOptions& options = {});

// m += (g - m)(1 - beta_1);   v += (g^2 - v)(1 - beta_2)
// w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
// Kingma & Ba, 2015, in the "epsilon-hat" form. Keras: keras.optimizers.Adam.
struct AdamOptions {
  float learning_rate = 0.001f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
};
OptimizerSpec Adam(const AdamOptions& options = {});

}  // namespace sluice
