// What flags have in place of Keras' JSON: a class with some of its arguments, as a call in Python.
//
//   adamw(weight_decay=0.01, learning_rate=CosineDecay(initial_learning_rate=0.1, decay_steps=900))
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sluice::optim {

// {"class_name": "adamw", "config": {"weight_decay": 0.01, ...}}. Values are numbers, true, false,
// None, lists of values in brackets, and calls. Throws std::invalid_argument, saying where and what
// was expected, for any other text.
nlohmann::ordered_json parse_call(const std::string& text);

}  // namespace sluice::optim
