// Penalties of weights, which add to the loss that a model is trained to make small.
//
//   Dense({.units = 10, .kernel_regularizer = L2(0.001f)})
//   Dense({.units = 10, .kernel_regularizer = "l2"})          with Keras' default
//
// A penalty is added once to the loss of a batch, whatever the batch's size, and is part of the
// loss that is shown and of that of evaluate(). Frozen layers have none.
#pragma once

#include <string>

#include "sluice/cplusplus.h"

namespace sluice {

// Each returns what layers' options take: "L2(l2=0.001)", Keras' class with its arguments. "l1",
// "l2" and "l1_l2" have Keras' defaults, those below.

// l1 sum |w|; the gradient at 0 is 0. Keras: keras.regularizers.L1.
std::string L1(float l1 = 0.01f);

// l2 sum w^2, without a half. Keras: keras.regularizers.L2.
std::string L2(float l2 = 0.01f);

// Both. Keras: keras.regularizers.L1L2.
struct L1L2Options {
  float l1 = 0.0f;
  float l2 = 0.0f;
};
std::string L1L2(const L1L2Options& options = {});

}  // namespace sluice
