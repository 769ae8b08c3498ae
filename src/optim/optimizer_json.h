// An OptimizerSpec as JSON, in Keras' own form, which Keras reads too: {"class_name": "Adam",
// "config": {"learning_rate": 0.001, ...}}.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sluice/optimizers.h"

namespace sluice {

// The optimizer's own hyperparameters, and of what all have what is not its default. Throws
// std::invalid_argument for an unknown name.
void to_json(nlohmann::ordered_json& json, const OptimizerSpec& spec);

// An object as above, a shorter one, {"name": "adam", "beta_1": 0.8}, or a text as OptimizerSpec
// takes it. Absent fields take the optimizer's defaults. What a config of Keras has beside them is
// passed over where it changes nothing ("loss_scale_factor": null). Throws std::invalid_argument
// for an unknown name, for any other field, or a value of the wrong type or too large for float32.
void from_json(const nlohmann::ordered_json& json, OptimizerSpec& spec);

}  // namespace sluice
