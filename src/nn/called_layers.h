// The layers of a Model, from the values where it begins and ends.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sluice/layer.h"

namespace sluice::nn {

struct CalledLayers {
  struct Call {
    size_t layer;  // of `layers`
    std::vector<size_t> inputs;
  };
  // Without the Inputs, in the order of Keras' model.layers: by depth, which is how many calls lie
  // behind a layer at most, and then as the way back from the outputs comes upon them.
  std::vector<const Layer*> layers;
  // In the order in which Keras makes them, each behind those that it depends on. Their values: k
  // is input k, inputs + i what call i gives.
  std::vector<Call> calls;
  std::vector<size_t> outputs;  // values
  // The Inputs among the layers, in Keras' order: k is input k, inputs + i layer i.
  std::vector<size_t> order;
};

// Throws std::invalid_argument when one of `inputs` is no Input or given twice, when an output
// depends on another one, or none on one of them.
CalledLayers find_called(std::span<const SymbolicTensor> inputs,
                         std::span<const SymbolicTensor> outputs);

}  // namespace sluice::nn
