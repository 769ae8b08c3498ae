// How weights get their first values: Keras' initializers.
//
//   glorot_uniform  U(-l, l), l = sqrt(6 / (fan_in + fan_out))     Glorot & Bengio, 2010
//   glorot_normal   TN(sqrt(2 / (fan_in + fan_out)))
//   he_uniform      U(-l, l), l = sqrt(6 / fan_in)                 He et al., 2015
//   he_normal       TN(sqrt(2 / fan_in))
//   lecun_uniform   U(-l, l), l = sqrt(3 / fan_in)                 LeCun et al., 1998
//   lecun_normal    TN(sqrt(1 / fan_in))
//   random_uniform  U(-0.05, 0.05)
//   zeros, ones
//
// TN(s): normal, cut at two standard deviations by drawing anew, scaled so that what is left has
// the standard deviation s. Numbers are Sluice's own (core/rng.h), not Keras': the same seed gives
// the same weights on every machine.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/rng.h"
#include "sluice/shape.h"

namespace sluice::nn {

// Inputs and outputs of one unit: [n] n, n; [in, out]; [receptive..., in, out] times the product of
// the receptive field's sizes.
struct Fans {
  double in = 1;
  double out = 1;
};
Fans compute_fans(const Shape& shape);

struct Initializer {
  enum class Distribution { kConstant, kUniform, kTruncatedNormal, kRange };
  enum class Mode { kFanIn, kFanAverage };

  const char* name;         // "glorot_uniform"
  const char* keras_class;  // "GlorotUniform"
  Distribution distribution;
  double scale;  // of the variance; the value of a constant, the end of a range
  Mode mode;

  void fill(const Shape& shape, core::Rng& rng, std::span<float> values) const;
};

// By name, by Keras' class, or "zero", "one" and "uniform"; nullptr for anything else.
const Initializer* find_initializer(std::string_view name);

// Keras' old spelling of the same distributions: VarianceScaling(scale, mode, distribution).
// nullptr when it is none of ours.
const Initializer* find_variance_scaling(double scale, std::string_view mode,
                                         std::string_view distribution);

// "glorot_uniform, glorot_normal, ...", for messages.
std::string initializer_names();

}  // namespace sluice::nn
