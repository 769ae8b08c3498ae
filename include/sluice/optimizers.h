// How gradients become steps: SGD, RMSprop, Adagrad and Adam with Keras' defaults and formulas.
//
//   .optimizer = "adam"                            the name, with Keras' defaults
//   .optimizer = Adam({.learning_rate = 5e-4f})    with others
//
// Notation: g gradient of the mean loss of a batch, w parameter, lr the learning rate, t the step
// counted from 1, all elementwise; the slots m, v and a start at 0 where nothing else is said.
// Everything is float32.
//
// Ranges, checked when training starts (std::invalid_argument, naming the field): learning_rate,
// epsilon and initial_accumulator_value finite and at least 0; momentum from 0 to 1; rho and both
// betas at least 0 and below 1.
#pragma once

#include <string>

#include "sluice/cplusplus.h"

namespace sluice {

// A choice of optimizer with its hyperparameters: a value, which holds no state of training. Made
// from a name or by one of the functions below, each of which sets the fields that its optimizer
// uses; the others are ignored.
struct OptimizerSpec {
  OptimizerSpec() = default;
  // "sgd", "rmsprop", "adagrad" or "adam" with Keras' defaults, in any letter case.
  // Throws std::invalid_argument for any other name.
  OptimizerSpec(const char* which) : OptimizerSpec(std::string(which)) {}  // NOLINT: implicit
  OptimizerSpec(const std::string& which);                                 // NOLINT: implicit

  std::string name = "sgd";  // "sgd", "rmsprop", "adagrad" or "adam"
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

// Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's (Sutskever et al., 2013).
//
//   momentum = 0:  w -= lr g
//   otherwise:     m = momentum m - lr g;   w += m,   or with nesterov   w += momentum m - lr g
//
// No slot without momentum, else one float per parameter. Keras: keras.optimizers.SGD.
struct SgdOptions {
  float learning_rate = 0.01f;
  float momentum = 0.0f;
  bool nesterov = false;
};
OptimizerSpec SGD(const SgdOptions& options = {});

// Steps divided by a running mean of the gradient's size (Tieleman & Hinton, 2012).
//
//   v = rho v + (1 - rho) g^2
//   d = v,   or centered   a = rho a + (1 - rho) g,  d = max(v - a^2, 0)
//   w -= lr g / sqrt(d + epsilon),
//        or with momentum   m = momentum m + lr g / sqrt(d + epsilon),   w -= m
//
// One to three floats of slots per parameter: v, a when centered, m with momentum.
// Keras: keras.optimizers.RMSprop.
struct RmspropOptions {
  float learning_rate = 0.001f;
  float rho = 0.9f;
  float momentum = 0.0f;
  float epsilon = 1e-7f;
  bool centered = false;
};
OptimizerSpec RMSprop(const RmspropOptions& options = {});

// Steps divided by the sum of all gradients so far (Duchi et al., 2011), so that they shrink.
//
//   a += g^2, from initial_accumulator_value;   w -= lr g / sqrt(a + epsilon)
//
// One float of slots per parameter. Keras: keras.optimizers.Adagrad.
struct AdagradOptions {
  float learning_rate = 0.001f;
  float initial_accumulator_value = 0.1f;
  float epsilon = 1e-7f;
};
OptimizerSpec Adagrad(const AdagradOptions& options = {});

// Running means of the gradient and of its square, corrected for their start at 0 (Kingma & Ba,
// 2015, in the "epsilon-hat" form).
//
//   m += (g - m)(1 - beta_1);   v += (g^2 - v)(1 - beta_2)
//   w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
//
// Two floats of slots per parameter. Keras: keras.optimizers.Adam.
struct AdamOptions {
  float learning_rate = 0.001f;
  float beta_1 = 0.9f;
  float beta_2 = 0.999f;
  float epsilon = 1e-7f;
};
OptimizerSpec Adam(const AdamOptions& options = {});

}  // namespace sluice
