// Options as JSON, in which they cross the wire.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "sluice/algorithm/options.h"

namespace sluice::algorithm {

// {"window": 5, "overlap": false}, every option.
nlohmann::ordered_json to_json(const Options& options);
// Sets what `json`, an object, names. Throws as set().
void from_json(const nlohmann::ordered_json& json, Options& options);
// The value that a JSON value stands for. Throws std::invalid_argument, naming the option.
OptionValue option_from_json(const std::string& name, const nlohmann::ordered_json& json);

}  // namespace sluice::algorithm
