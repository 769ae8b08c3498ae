// The activation functions of sluice/activations.h, as operations of a graph.
#pragma once

#include <string>

#include "backend/graph.h"
#include "nn/arguments.h"
#include "sluice/activations.h"

namespace sluice::nn {

// Whether there is a function of this name.
bool is_activation(const std::string& name);

// The function without arguments that have their defaults. Throws std::invalid_argument.
ActivationFunction parse_activation(const Argument& argument, const ActivationFunction& function);

// What parse_activation() has given, for inputs of this shape: softmax's axis counts without the
// batch, from 0. Throws ShapeError, in `layer`'s name, for an axis that is not there.
backend::ActivationOp activation_op(const Layer& layer, const ActivationFunction& function,
                                    const Shape& input);

// The name of such an operation's function.
std::string name_of(const backend::ActivationOp& op);

}  // namespace sluice::nn
