// The layers of a Model, from the values where it begins and ends.
#pragma once

#include <cstddef>
#include <vector>

#include "sluice/layer.h"

namespace sluice::nn {

struct CalledLayers {
  struct Call {
    size_t layer;                // of `layers`
    std::vector<size_t> inputs;  // 0: the model's input; 1 + i: what call i gives
  };
  // Without the Input, in the order of Keras' model.layers: by depth, which is how many calls lie
  // behind a layer at most, and then as the way back from the output comes upon them.
  std::vector<const Layer*> layers;
  // Each behind those that it depends on; the output's is the last.
  std::vector<Call> calls;
};

// Throws std::invalid_argument when `input` is no Input, or the output does not depend on it, or on
// another one as well.
CalledLayers find_called(const SymbolicTensor& input, const SymbolicTensor& output);

}  // namespace sluice::nn
