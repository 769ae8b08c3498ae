// An OptimizerSpec as JSON, with Keras' names: {"name": "adam", "learning_rate": 0.001, ...}.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sluice/optimizers.h"

namespace sluice {

// Only the fields that the named optimizer uses. Throws std::invalid_argument for an unknown name.
void to_json(nlohmann::ordered_json& json, const OptimizerSpec& spec);

// An object as above, just the name, or Keras' own object, {"class_name": "Adam", "config": {...}}.
// Absent fields take the optimizer's defaults. What a config of Keras has beside them is passed
// over where it changes nothing ("clipnorm": null). Throws std::invalid_argument for an unknown
// name, for any other field, or a value of the wrong type or too large for float32.
void from_json(const nlohmann::ordered_json& json, OptimizerSpec& spec);

}  // namespace sluice
