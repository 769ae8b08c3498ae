// What is to be said of a model's JSON as a whole, before its layers are read one by one.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sluice::nn {

// Throws std::invalid_argument where several classes of layers, or operations, are missing, and
// names them all; one that is missing alone, who reads the layer names. Logs a warning where layers
// compute in float16 or bfloat16 with weights of float32, which are read as float32.
void survey(const nlohmann::ordered_json& model);

}  // namespace sluice::nn
