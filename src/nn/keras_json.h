// One layer of Keras' model JSON.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/json_text.h"
#include "sluice/layer.h"
#include "sluice/layers/input.h"
#include "sluice/model.h"

namespace sluice::nn {

// {"module", "class_name", "config", "registered_name"}, in a form that Keras 2 and 3 both read.
nlohmann::ordered_json write_layer(const Layer& layer);

// A whole model, also as a layer of another.
nlohmann::ordered_json write_model(const Model& model);
Model read_model(const nlohmann::ordered_json& model);

nlohmann::ordered_json write_input(const Shape& shape, const std::string& name);

nlohmann::ordered_json write_value(const ConfigValue& value);

// Reads the forms of Keras 2 and 3 of what require_layer() has let pass. Throws
// std::invalid_argument, naming the layer, for a class that is not known and for a setting that
// Sluice does not have. Settings that are null or false and unknown are left out.
std::unique_ptr<Layer> read_layer(const nlohmann::ordered_json& layer);

// From an InputLayer's config. Throws std::invalid_argument.
Input read_input(const nlohmann::ordered_json& config);

// Throws std::invalid_argument unless it is an object with a "class_name" and a "config".
void require_layer(const nlohmann::ordered_json& layer);

// A layer's or a model's, or `fallback` where its config has none. Throws std::invalid_argument for
// a name that is no string.
std::string read_name(const nlohmann::ordered_json& config, const std::string& fallback);

using core::shown;

// Whether a serialized object is of one of Keras' own classes. Somebody's has the name of a
// package, "mylab>Dropout", in "class_name" (Keras 2) or "registered_name" (Keras 3), or another
// "module".
bool is_of_keras(const nlohmann::ordered_json& json);

// Under which name the layer's class is known. Throws std::invalid_argument for somebody's class of
// the name of one of Keras'.
std::string class_of_layer(const nlohmann::ordered_json& layer);
// A model, of Keras' own classes, also as a layer.
bool is_model(const nlohmann::ordered_json& json);

// The policy of the config's "dtype", where that is to compute in 16 bits with weights of float32:
// "mixed_bfloat16". Empty for others.
std::string mixed_policy(const nlohmann::ordered_json& config);

// What is wrong with the config's "dtype", a name or a DTypePolicy; empty where it is float32,
// mixed_policy() or absent.
std::string dtype_problem(const nlohmann::ordered_json& config);

// An input's shape from [null, 28, 28, 1]. Throws std::invalid_argument for anything else.
Shape read_batch_shape(const nlohmann::ordered_json& shape);

}  // namespace sluice::nn
