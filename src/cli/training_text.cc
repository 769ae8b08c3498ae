#include "cli/training_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "loss/loss_json.h"
#include "optim/call_text.h"
#include "optim/definition.h"
#include "optim/optimizer_json.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

// As in a call in Python; "Adam(...)" of an object with a class.
std::string value_text(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_null()) return "None";
  if (value.is_object()) return optim::call_text(value);
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> items;
  for (const Json& item : value) items.push_back(value_text(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace

std::string text_of(const LossSpec& loss) {
  Json json;
  to_json(json, loss);
  if (!json.is_object()) return loss.name();
  std::vector<std::string> options;
  for (const auto& [key, value] : json["config"].items()) {
    Json without = json;
    without["config"].erase(key);
    LossSpec same;
    from_json(without, same);
    if (same != loss) options.push_back(key + "=" + value_text(value));
  }
  if (options.empty()) return loss.name();
  return fmt::format("{}({})", loss.name(), fmt::join(options, ", "));
}

std::string text_of(const OptimizerSpec& optimizer) {
  Json json, defaults;
  to_json(json, optimizer);
  to_json(defaults, optim::default_spec(optimizer.name));
  std::string text = optimizer.name;
  for (const auto& [key, value] : json["config"].items()) {
    if (defaults["config"].contains(key) && defaults["config"][key] == value) continue;
    std::string words = key;
    std::ranges::replace(words, '_', ' ');
    text += value == true ? ", " + words : fmt::format(", {} {}", words, value_text(value));
  }
  return text;
}

}  // namespace sluice::cli
