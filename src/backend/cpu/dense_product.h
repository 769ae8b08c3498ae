// Matrix products of a fully connected layer on oneDNN.
#pragma once

#include "backend/cpu/kernel.h"
#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {

// The layer's bias [1, units] as it stands among the parameters, or what says that it has none.
Primitive::Argument dense_bias(const Build& build, const DenseOp& op, int64_t units);
Primitive::Argument no_bias();

// y [m, n] = activation(a [m, k] b [k, n] + bias [1, n]), computed at `time` of the program.
Primitive make_product(const Build& build, int time, const Primitive::Argument& a,
                       const Primitive::Argument& b, const Primitive::Argument& bias,
                       const Primitive::Argument& y, const Activation& activation);

}  // namespace sluice::backend::cpu
