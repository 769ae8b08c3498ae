// A small model for the tests of evaluate() and predict(), and what they ask of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/lowering.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/errors.h"

namespace sluice::train {

// y = W x with two features and two classes.
inline Sequential linear_model() {
  Sequential model("linear");
  model.add(Input({2})).add(Dense({.units = 2, .use_bias = false}));
  return model;
}
inline const std::vector<float> kIdentity = {1, 0, 0, 1};

// What a model with one output is asked when only a loss is named.
inline std::vector<nn::OutputTask> task_of(const LossSpec& loss) { return {{.loss = loss}}; }

}  // namespace sluice::train
