// A LossSpec as JSON: its name, or with options that are not Keras' defaults as Keras writes it,
// {"class_name": "Huber", "config": {"delta": 2.0}}.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "sluice/losses.h"

namespace sluice {

void to_json(nlohmann::ordered_json& json, const LossSpec& spec);

// A name, an object as above, or {"name": "huber", "delta": 2.0}. Absent options take Keras'
// defaults. What Keras' config has beside them is passed over where it changes nothing
// ("reduction": "sum_over_batch_size"). Throws std::invalid_argument for an unknown name, for any
// other field, or a value of the wrong type or out of range.
void from_json(const nlohmann::ordered_json& json, LossSpec& spec);

}  // namespace sluice
