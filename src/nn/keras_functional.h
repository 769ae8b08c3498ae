// Keras' JSON of a model of layers that call one another: "Functional", or "Model".
//
// A layer lists its calls in "inbound_nodes", each with where its inputs come from: the layer, the
// number of its call, the number of the output. Keras 2 writes [["conv2d", 0, 0, {}]] for a call,
// Keras 3 its arguments with a "__keras_tensor__" for each input.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sluice/layers/input.h"
#include "sluice/model.h"

namespace sluice::nn {

// From the model's "config". Throws std::invalid_argument, naming the layer.
Model read_functional(const nlohmann::ordered_json& config);

// The model's "config", in the form of Keras 2, which Keras 3 reads too.
nlohmann::ordered_json write_functional(const Model& model);

}  // namespace sluice::nn
