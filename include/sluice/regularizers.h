// Penalties of weights and of activities, which add to the loss that a model is trained to make
// small.
//
//   Dense({.units = 10, .kernel_regularizer = L2(0.001f)})
//   Dense({.units = 10, .kernel_regularizer = "l2"})          with Keras' default
//   Dense({.units = 10, .activity_regularizer = L1(0.001f)})
//
// A weight's penalty is added once to the loss of a batch, whatever the batch's size; frozen layers
// have none. That of a layer's outputs, behind its activation, is added for each call and divided
// by the batch's size, so that it is a mean over the samples, which their weights do not change;
// frozen layers have it too. Both are part of the loss that is shown and of that of evaluate().
#pragma once

#include <string>

#include "sluice/cplusplus.h"

namespace sluice {

// Each returns what layers' options take: "L2(l2=0.001)", Keras' class with its arguments. "l1",
// "l2", "l1_l2" and "orthogonal_regularizer" have Keras' defaults, those below.

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

// Of matrices, such as a Dense kernel [in, units]: factor times the mean of |cos| of the angles
// between any two of their rows, or columns, w_i:
//
//   factor / (n (n - 1) / 2) sum over i < j of |z_i z_j|      z_i = w_i / max(|w_i|, 1e-7)
//
// Takes time as the square of their number. Throws std::invalid_argument for another mode; adding a
// layer does so for a weight that is no matrix, or has one row, or column, only.
// Keras: keras.regularizers.OrthogonalRegularizer.
struct OrthogonalRegularizerOptions {
  float factor = 0.01f;
  std::string mode = "rows";  // or "columns"
};
std::string OrthogonalRegularizer(const OrthogonalRegularizerOptions& options = {});

}  // namespace sluice
