// What a model computes, for tests that do not link the training loop.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "backend/replica.h"
#include "core/parameter_set.h"
#include "nn/lowering.h"
#include "sluice/model.h"

namespace sluice::formats {

// The rows of all outputs for those of all inputs.
inline std::vector<float> outputs_of(const Model& model, int64_t batch, std::span<const float> x) {
  const auto backend = backend::open_backend({.name = "cpu"});
  auto replica = (*backend)->compile(nn::lower(model, "mse"), {.batch_size = batch, .threads = 1});
  std::ranges::copy(model.parameters().values(), replica->parameters().begin());
  replica->parameters_changed();
  std::vector<float> y(static_cast<size_t>(batch * replica->graph().output_size()));
  replica->predict(batch, x, y);
  return y;
}

}  // namespace sluice::formats
