// Layers by the class names that Keras' files give them.
#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice::nn {

// A layer of Sluice's own or one that register_layer() made known. Throws std::invalid_argument for
// an unknown class, and what the factory throws. Safe to use from several threads.
std::unique_ptr<Layer> make_layer(const std::string& class_name, const Config& config);

// Throws std::invalid_argument for a class that make_layer() does not know.
void require_known_layer(const std::string& class_name);

// Whether it is a layer of Sluice's own, that is, one of Keras'; and whether make_layer() knows it.
bool is_own_layer(const std::string& class_name);
bool is_known_layer(const std::string& class_name);

}  // namespace sluice::nn
