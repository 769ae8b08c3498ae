// Activation functions, which layers apply to their outputs.
#pragma once

#include <string>
#include <utility>

#include "sluice/config.h"

namespace sluice {

// An activation function by its Keras name, with arguments where their defaults are not meant:
//
//   Dense({.units = 64, .activation = "gelu"})
//   Dense({.units = 64, .activation = {"leaky_relu", {{"negative_slope", 0.1}}}})
//
//   linear          x
//   relu            x > threshold ? x, cut to [0, max_value] where there is one
//                                 : negative_slope (x - threshold)
//                   negative_slope = 0, max_value = none, threshold = 0
//   relu6           relu, max_value = 6
//   leaky_relu      relu, negative_slope = 0.2 (the layer LeakyReLU has 0.3)
//   elu             x > 0 ? x : alpha (exp(x) - 1), alpha = 1              Clevert et al., 2015
//   selu            1.0507 (x > 0 ? x : 1.6733 (exp(x) - 1))               Klambauer et al., 2017
//   celu            x > 0 ? x : alpha (exp(x / alpha) - 1), alpha = 1      Barron, 2017
//   gelu            x P(X <= x), X normal; approximate = true:             Hendrycks & Gimpel, 2016
//                   x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
//   silu, swish     x sigmoid(x)                                           Elfwing et al., 2017
//   mish            x tanh(softplus(x))                                    Misra, 2019
//   sigmoid         1 / (1 + exp(-x))
//   hard_sigmoid    x / 6 + 1/2, cut to [0, 1]
//   hard_silu, hard_swish   x hard_sigmoid(x)                              Howard et al., 2019
//   log_sigmoid     log(sigmoid(x))
//   sparse_sigmoid  (x + 1) / 2, cut to [0, 1]
//   tanh            tanh(x)
//   hard_tanh       x, cut to [-1, 1]
//   tanh_shrink     x - tanh(x)
//   hard_shrink     |x| > threshold ? x : 0, threshold = 0.5
//   soft_shrink     x > threshold ? x - threshold : x < -threshold ? x + threshold : 0,
//                   threshold = 0.5
//   softplus        log(1 + exp(x))
//   sparse_plus     x <= -1 ? 0 : x < 1 ? (x + 1)^2 / 4 : x
//   squareplus      (x + sqrt(x^2 + b)) / 2, b = 4                         Barron, 2021
//   softsign        x / (1 + |x|)
//   exponential     exp(x)
//   softmax         exp(x_k) / sum_j exp(x_j) over the axis `axis` = -1, the batch being axis 0
//   log_softmax     its logarithm
//
// hard_sigmoid was another in Keras 2: x / 5 + 1/2, cut to [0, 1]. That is "hard_sigmoid_keras2";
// what a file means by the name follows from its "keras_version".
//
// NaN stays NaN, but that relu may make it 0. Gradients at a kink are 0 but of relu's
// negative_slope at its threshold. In a model's JSON arguments are written as Keras does, with a
// layer in place of the name; of functions that have no layer with these arguments (celu, gelu, the
// shrinking ones, squareplus, log_softmax) Sluice reads its own JSON, and Keras does not.
//
// A layer that is given a function throws std::invalid_argument for a name or an argument that
// there is not, ShapeError for an axis that the input does not have.
//
// Keras: keras.activations.
struct ActivationFunction : ConfigObject {
  ActivationFunction(const char* keras_name) : ActivationFunction(std::string(keras_name)) {}
  ActivationFunction(std::string keras_name) : ConfigObject{std::move(keras_name), {}} {}
  ActivationFunction(std::string keras_name, Config keras_arguments)
      : ConfigObject{std::move(keras_name), std::move(keras_arguments)} {}

  friend bool operator==(const ActivationFunction& a, const ActivationFunction& b) {
    return a.name == b.name && a.arguments == b.arguments;
  }
};

}  // namespace sluice
