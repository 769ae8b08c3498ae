// What weights are held to, after each step of the optimizer.
//
//   Dense({.units = 10, .kernel_constraint = MaxNorm({.max_value = 3})})
//
// |w| is the norm over the axes `axis`, which are neighbours, for each place along the others: over
// axis 0 of a dense kernel [in, units] that of each unit's weights; of a convolution's
// [h, w, in, filters] {0, 1, 2} gives that of each filter's. With Adag and Downpour workers hold
// their own weights to it, and the servers' sums of many workers' changes need not be; AsyncSgd
// refuses models with constraints. Frozen layers have none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

// Each returns what layers' options take: "MaxNorm(max_value=2.0, axis=0)". The names "max_norm",
// "non_neg", "unit_norm" and "min_max_norm" have Keras' defaults, those below.

// w clip(|w|, 0, max_value) / (1e-7 + |w|). Keras: keras.constraints.MaxNorm.
struct MaxNormOptions {
  float max_value = 2.0f;
  std::vector<int64_t> axis = {0};
};
std::string MaxNorm(const MaxNormOptions& options = {});

// max(w, 0). Keras: keras.constraints.NonNeg.
std::string NonNeg();

// w / (1e-7 + |w|). Keras: keras.constraints.UnitNorm.
struct UnitNormOptions {
  std::vector<int64_t> axis = {0};
};
std::string UnitNorm(const UnitNormOptions& options = {});

// w (rate clip(|w|, min_value, max_value) + (1 - rate) |w|) / (1e-7 + |w|).
// Keras: keras.constraints.MinMaxNorm.
struct MinMaxNormOptions {
  float min_value = 0.0f;
  float max_value = 1.0f;
  float rate = 1.0f;
  std::vector<int64_t> axis = {0};
};
std::string MinMaxNorm(const MinMaxNormOptions& options = {});

}  // namespace sluice
