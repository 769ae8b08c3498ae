// What flags have in place of Keras' JSON: a class with some of its arguments, as a call in Python.
//
//   adamw(weight_decay=0.01, learning_rate=CosineDecay(initial_learning_rate=0.1, decay_steps=900))
//   precision(class_id=1, name=cats)
//
// And what all that are read from such texts or from JSON have in common: optimizers, learning
// rates, losses, metrics.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace sluice::optim {

// {"class_name": "adamw", "config": {"weight_decay": 0.01, ...}}. Values are numbers, true, false,
// None, texts (which need no quotes where they are one word), lists of values in either kind of
// brackets, and calls. Throws std::invalid_argument, saying where and what was expected, for any
// other text.
nlohmann::ordered_json parse_call(const std::string& text);

// The reverse. Throws std::invalid_argument for what such a text cannot say: objects that are no
// calls, and texts with both kinds of quotes.
std::string call_text(const nlohmann::ordered_json& call);

// An argument's place in messages.
struct CallArgument {
  std::string whose;  // loss "huber"
  std::string name;
};
// loss "huber" has no argument "gamma": use "delta"
[[noreturn]] void refuse_argument(const CallArgument& argument,
                                  const std::vector<std::string>& known);
// loss "huber": "delta" must be a number, got "a lot"
[[noreturn]] void refuse_value(const CallArgument& argument, const std::string& expected,
                               const nlohmann::ordered_json& got);
// Both throw as above; a number also where it does not fit into float32.
float float_of(const CallArgument& argument, const nlohmann::ordered_json& value);
bool flag_of(const CallArgument& argument, const nlohmann::ordered_json& value);

// Whether a "dtype", as Keras writes it, is the one that everything is computed in.
bool is_float32(const nlohmann::ordered_json& dtype);

}  // namespace sluice::optim
