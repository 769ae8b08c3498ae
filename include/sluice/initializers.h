// How a weight gets its first values.
#pragma once

#include <string>
#include <utility>

#include "sluice/config.h"

namespace sluice {

// An initializer by its Keras name, with arguments where their defaults are not meant:
//
//   Dense({.units = 10, .kernel_initializer = "he_normal"})
//   Dense({.units = 10, .kernel_initializer = {"random_normal", {{"stddev", 0.01}}}})
//
//   zeros, ones
//   constant           value = 0
//   random_normal      mean = 0, stddev = 0.05
//   truncated_normal   mean = 0, stddev = 0.05: drawn anew beyond two deviations
//   random_uniform     minval = -0.05, maxval = 0.05: from minval to below maxval
//   variance_scaling   scale = 1, mode = "fan_in", distribution = "truncated_normal":
//                      variance scale / n, n by mode "fan_in", "fan_out" or "fan_avg", their mean;
//                      distribution "uniform", "untruncated_normal", or "truncated_normal", also
//                      "normal"
//   glorot_uniform, glorot_normal   variance_scaling(1, "fan_avg")    Glorot & Bengio, 2010
//   he_uniform, he_normal           variance_scaling(2, "fan_in")     He et al., 2015
//   lecun_uniform, lecun_normal     variance_scaling(1, "fan_in")     LeCun et al., 1998
//   orthogonal         gain = 1: orthonormal rows or columns, whichever are fewer, of the weight as
//                      a matrix [..., last axis], times gain     Saxe et al., 2014
//   identity           gain = 1: gain on the diagonal of a matrix [n, m], else 0
//
// Uniform ones lie in [-sqrt(3 variance), sqrt(3 variance)). Truncated ones of variance_scaling and
// of those below it are scaled so that the variance is as stated. Of a kernel [in, out] the fans
// are in and out, of a convolution's [h, w, in, out] they are h w in and h w out, of a vector [n]
// both n.
//
// The numbers are Sluice's own: the same seed of the model gives the same weights on every machine,
// but not those of Keras. An argument "seed", as Keras has it, is taken and means nothing.
//
// Names may be Keras' classes ("HeNormal") or its short ones ("zero", "one", "normal", "uniform").
// A layer that is given an initializer throws std::invalid_argument for a name or an argument that
// there is not; adding it to a model does for a weight that identity or orthogonal cannot make.
//
// Keras: keras.initializers.
struct Initializer : ConfigObject {
  Initializer(const char* keras_name) : Initializer(std::string(keras_name)) {}
  Initializer(std::string keras_name) : ConfigObject{std::move(keras_name), {}} {}
  Initializer(std::string keras_name, Config keras_arguments)
      : ConfigObject{std::move(keras_name), std::move(keras_arguments)} {}

  friend bool operator==(const Initializer& a, const Initializer& b) {
    return a.name == b.name && a.arguments == b.arguments;
  }
};

}  // namespace sluice
