// Pieces of a model's parameters, which lie in one buffer of floats.
#pragma once

#include <cstddef>

#include "sluice/cplusplus.h"

namespace sluice {

// `size` floats from float `offset` on, in the order of Keras' model.weights, each of them
// row-major. From where offsets count, and whether pieces of a list may overlap, says who hands
// them out: the start of all parameters, or of a shard.
struct ParameterRange {
  size_t offset = 0;
  size_t size = 0;

  bool operator==(const ParameterRange&) const = default;
};

}  // namespace sluice
