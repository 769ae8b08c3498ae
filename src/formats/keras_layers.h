// Where Keras' files have a model's weights: by layer, in Keras' orders.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/parameter_set.h"
#include "sluice/model.h"

namespace sluice::formats {

using Variables = std::vector<const core::Variable*>;  // of a model's layout

// Keras' class of a layer, without the package that it was registered in.
std::string class_of(const Layer& layer);

// A layer that has weights of its own.
struct StoredLayer {
  const Layer* layer = nullptr;
  // In a .weights.h5: by classes, counted in each container, "layers/sequential/layers/dense_1".
  std::string path;
  Variables variables;  // in the order of layer.weights
};
// All layers, with weights or without, in place of a model inside another the layers of that.
// `container`: what a model's layers lie in, "layers".
std::vector<StoredLayer> stored_layers(const Model& model, std::string_view container);

// A layer of the model itself, with what an .h5 lists as its weights: first those that are trained,
// then all others; of a model inside, those of all its layers.
struct LegacyLayer {
  const Layer* layer = nullptr;
  Variables variables;
};
std::vector<LegacyLayer> legacy_layers(const Model& model);

// What an optimizer has slots for, in the order of Keras' model.trainable_variables.
Variables trained_variables(const Model& model);

// For messages: Dense "dense_1".
std::string text_of(const Layer& layer);

}  // namespace sluice::formats
