// One number for all features of the last axis, or one for each: `.scale = 0.5`,
// `.scale = {0.5, 2.0}`.
#pragma once

#include <initializer_list>
#include <utility>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

// A value. What it is for is checked by the layer that takes it.
struct PerFeature {
  std::vector<double> values = {};  // one, or one for each feature; none: not given

  PerFeature() = default;
  // The same for all features.
  PerFeature(double all) : values{all} {}  // NOLINT: meant to be implicit
  // One for each feature, in their order.
  PerFeature(std::initializer_list<double> each) : values(each) {}
  PerFeature(std::vector<double> each) : values(std::move(each)) {}  // NOLINT: likewise

  friend bool operator==(const PerFeature&, const PerFeature&) = default;
};

}  // namespace sluice
