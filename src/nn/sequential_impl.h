// What a Sequential holds.
#pragma once

#include <atomic>
#include <optional>

#include "backend/replica_pool.h"
#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice {

struct Sequential::Impl {
  std::string name;
  std::string input_name;
  std::optional<Shape> input;
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<Shape> outputs;  // of each layer; empty while the input is not known
  core::ParameterSet parameters;
  uint64_t seed = 0;
  // What evaluate() and predict() change in a model that stays as it is; several threads may.
  backend::ReplicaPool compiled;
  std::atomic<bool> warned_of_logits = false;

  // The shape that layer `index` gets. Only when the input is known.
  const Shape& input_of(size_t index) const { return index == 0 ? *input : outputs[index - 1]; }
};

}  // namespace sluice
