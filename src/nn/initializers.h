// How weights get their first values: the initializers of sluice/initializers.h.
#pragma once

#include <span>
#include <string>

#include "core/rng.h"
#include "nn/arguments.h"
#include "sluice/initializers.h"
#include "sluice/shape.h"

namespace sluice::nn {

// Inputs and outputs of one unit: [n] n, n; [in, out]; [receptive..., in, out] times the product of
// the receptive field's sizes.
struct Fans {
  double in = 1;
  double out = 1;
};
Fans compute_fans(const Shape& shape);

// By Keras' snake-case name, without arguments that have their defaults, and by the name of its own
// where a variance_scaling() has one. Throws std::invalid_argument.
Initializer parse_initializer(const Argument& argument, const Initializer& initializer);

// Whether there is one of this name, in any of its spellings.
bool is_initializer(const std::string& name);

// The following take what parse_initializer() has given.
//
// Why it cannot make a weight of this shape; empty where it can.
std::string shape_problem(const Initializer& initializer, const Shape& shape);
void fill(const Initializer& initializer, const Shape& shape, core::Rng& rng,
          std::span<float> values);
// As Keras writes it: its class, and all of its arguments.
ConfigObject keras_object(const Initializer& initializer);

// "glorot_uniform, glorot_normal, ...", for messages.
std::string initializer_names();

}  // namespace sluice::nn
