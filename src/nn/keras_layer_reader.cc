#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

#include "nn/activations.h"
#include "nn/arguments.h"
#include "nn/initializers.h"
#include "nn/keras_json.h"
#include "nn/nested_model.h"
#include "nn/registry.h"
#include "nn/weight_rules.h"
#include "optim/call_text.h"
#include "sluice/layers/activation.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

// The member `key`, or null.
const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_of(const Json& json, const char* key) {
  const Json& value = member(json, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// A regularizer or constraint, as a text or an object of Keras'; none when it is not one of ours.
std::optional<ConfigValue> read_rule(const Json& value) {
  const bool is_object =
      value.is_object() && member(value, "class_name").is_string() && is_of_keras(value);
  if (!value.is_string() && !is_object) return std::nullopt;
  try {
    return ConfigValue(read_weight_rule(value));
  } catch (const std::invalid_argument&) {
    // A text may be for a layer of the program's own, or it is the layer that refuses it.
    return is_object ? std::nullopt : std::optional(ConfigValue(value.get<std::string>()));
  }
}

bool is_rule(const std::string& key) {
  return key.ends_with("_regularizer") || key.ends_with("_constraint");
}

bool is_whole(const Json& value) {
  return value.is_number_integer() &&
         !(value.is_number_unsigned() && !std::in_range<int64_t>(value.get<uint64_t>()));
}

std::optional<ConfigValue> read_value(const Json& value) {
  if (value.is_null()) return ConfigValue();
  if (value.is_boolean()) return ConfigValue(value.get<bool>());
  // What is too large for a whole number is none: -1 would be made of 2^64 - 1.
  if (is_whole(value)) return ConfigValue(value.get<int64_t>());
  if (value.is_number_integer()) return ConfigValue(value.get<double>());
  if (value.is_number_float()) return ConfigValue(value.get<double>());
  if (value.is_string()) return ConfigValue(value.get<std::string>());
  if (!value.is_array()) return std::nullopt;
  if (std::ranges::all_of(value, is_whole)) return ConfigValue(value.get<std::vector<int64_t>>());
  if (std::ranges::all_of(value, [](const Json& item) { return item.is_number(); })) {
    return ConfigValue(value.get<std::vector<double>>());
  }
  const auto is_list = [](const Json& item) {
    return item.is_array() && std::ranges::all_of(item, is_whole);
  };
  if (!std::ranges::all_of(value, is_list)) return std::nullopt;
  return ConfigValue(value.get<std::vector<std::vector<int64_t>>>());
}

// What is written as a name or as {"class_name", "config"}; none when it is neither, or not Keras'.
std::optional<ConfigObject> read_object(const Json& value) {
  if (value.is_string()) return ConfigObject{value.get<std::string>(), {}};
  if (!value.is_object() || !member(value, "class_name").is_string()) return std::nullopt;
  // A function of Keras 3.
  if (text_of(value, "class_name") == "function" && text_of(value, "module") == "builtins" &&
      member(value, "config").is_string()) {
    return ConfigObject{value["config"].get<std::string>(), {}};
  }
  if (!is_of_keras(value)) return std::nullopt;
  ConfigObject object{value["class_name"].get<std::string>(), {}};
  const Json& config = member(value, "config");
  if (!config.is_object()) return config.is_null() ? std::optional(object) : std::nullopt;
  for (const auto& [key, entry] : config.items()) {
    const std::optional<ConfigValue> argument = read_value(entry);
    if (!argument) return std::nullopt;
    object.arguments.set(key, *argument);
  }
  return object;
}

// None when it is not one of ours.
std::optional<ConfigValue> read_initializer(const Argument& argument, const Json& value) {
  const std::optional<ConfigObject> object = read_object(value);
  if (!object || !is_initializer(object->name)) return std::nullopt;
  const Initializer given(object->name, object->arguments);
  return to_value(parse_initializer(argument, given));
}

// Where the function has arguments, Keras writes the layer that it is.
std::optional<ConfigValue> read_activation(const Argument& argument, const Json& value) {
  if (value.is_object() && is_own_layer(text_of(value, "class_name")) &&
      member(value, "config").is_object()) {
    const std::unique_ptr<Layer> layer = read_layer(value);
    const auto* const activation = dynamic_cast<const ActivationLayer*>(layer.get());
    if (activation == nullptr) return std::nullopt;
    return to_value(activation->function());
  }
  const std::optional<ConfigObject> object = read_object(value);
  if (!object) return std::nullopt;
  const ActivationFunction given(object->name, object->arguments);
  return to_value(parse_activation(argument, given));
}

// A noise_shape's null, any size, is 0 in ours.
Json without_nulls(Json list) {
  for (Json& item : list) {
    if (item.is_null()) item = 0;
  }
  return list;
}

// Whether a setting that was read says what the layer now does: 1 is 1.0, 3 is [3, 3] and [3] is 3.
bool same_setting(const Json& read, const Json& ours) {
  if (!ours.is_array()) {
    return read == ours || (read.is_array() && read.size() == 1 && read.front() == ours);
  }
  if (!read.is_array()) {
    return read.is_number() &&
           std::ranges::all_of(ours, [&](const Json& item) { return same_setting(read, item); });
  }
  return std::ranges::equal(read, ours, same_setting);
}

// Keys that every layer has or that say where it stands, and not what it does.
bool is_common(const std::string& key) {
  return key == "name" || key == "trainable" || key == "dtype" || key == "batch_input_shape" ||
         key == "batch_shape" || key == "input_length";
}

void check_common(const Json& config) {
  const std::string problem = dtype_problem(config);
  if (!problem.empty()) throw std::invalid_argument(problem);
}

// A penalty of nothing: {"class_name": "L2", "config": {"l2": 0.0}}.
bool is_no_penalty(const std::string& key, const Json& value) {
  if (!key.ends_with("_regularizer") || !value.is_object()) return false;
  const Json& config = member(value, "config");
  return config.is_object() && !config.empty() &&
         std::all_of(config.begin(), config.end(),
                     [](const Json& factor) { return factor.is_number() && factor == 0; });
}

// Settings that Keras 2 renamed; it reads them itself, and writes the new names.
bool is_of_keras1(const std::string& key) {
  static const std::set<std::string> kNames = {
      "output_dim",  "nb_filter", "nb_row", "nb_col",       "init",
      "border_mode", "subsample", "bias",   "dim_ordering", "W_regularizer"};
  return kNames.contains(key);
}

// A detail of something that is switched off, or what Keras 2's convolutions have from their base
// class and make nothing of.
bool is_idle(const std::string& class_name, const Json& config, const std::string& key) {
  static const std::set<std::string> kWithoutGroups = {"Conv1DTranspose", "Conv2DTranspose",
                                                       "DepthwiseConv1D", "DepthwiseConv2D",
                                                       "SeparableConv1D", "SeparableConv2D"};
  if (key == "renorm_momentum") return !(member(config, "renorm") == true);
  if (!kWithoutGroups.contains(class_name)) return false;
  return (key == "groups" && config[key] == 1) ||
         (key == "kernel_initializer" && class_name.starts_with("Separable"));
}

// Settings that Keras 3 renamed, by their names in Keras 2, which it still reads.
std::string keras2_key(const std::string& class_name, const std::string& key) {
  return class_name == "LeakyReLU" && key == "negative_slope" ? "alpha" : key;
}

Config read_config(const std::string& class_name, const Json& json) {
  Config config;
  for (const auto& [key, value] : json.items()) {
    if (class_name == "Softmax" && key == "axis" && value.is_null()) {
      throw std::invalid_argument("axis = null, over the whole batch: Sluice does not have this");
    }
    if (is_common(key) || value.is_null() || is_no_penalty(key, value) ||
        is_idle(class_name, json, key)) {
      continue;
    }
    if (is_of_keras1(key) && !(class_name == "Embedding" && key == "output_dim")) {
      throw std::invalid_argument(
          fmt::format("\"{}\" is a name of Keras 1; load the model with Keras 2 and write "
                      "to_json() again",
                      key));
    }
    const bool initializer = key.ends_with("_initializer");
    const bool activation = key == "activation" && is_own_layer(class_name);
    const Argument argument{class_name.c_str(), key.c_str()};
    const auto read = initializer            ? read_initializer(argument, value)
                      : activation           ? read_activation(argument, value)
                      : is_rule(key)         ? read_rule(value)
                      : key == "noise_shape" ? read_value(without_nulls(value))
                                             : read_value(value);
    if (!read) {
      throw std::invalid_argument(
          fmt::format("{} = {}: Sluice does not have this{}", key, shown(value),
                      initializer ? "; initializers are " + initializer_names() : ""));
    }
    config.set(keras2_key(class_name, key), *read);
  }
  return config;
}

// Every setting must be one that the layer took over, or one that is switched off or what all of
// ours have anyway.
void check_taken_over(const Config& read, const Layer& layer) {
  const Config ours = layer.config();
  for (const auto& [key, value] : read.entries()) {
    const bool off = value == ConfigValue(false) ||
                     (key == "data_format" && value == ConfigValue("channels_last"));
    const ConfigValue* taken = ours.find(key);
    if (taken == nullptr || std::holds_alternative<std::monostate>(*taken)) {
      if (off) continue;
      throw std::invalid_argument(
          fmt::format("\"{}\" is set: Sluice does not have this; remove it", key));
    }
    if (!same_setting(write_value(value), write_value(*taken))) {
      throw std::invalid_argument(
          fmt::format("\"{}\": Sluice has only {}", key, write_value(*taken).dump()));
    }
  }
}

}  // namespace

void require_layer(const nlohmann::ordered_json& layer) {
  if (layer.is_object() && member(layer, "class_name").is_string() &&
      member(layer, "config").is_object()) {
    return;
  }
  throw std::invalid_argument(fmt::format(
      "a layer: expected an object with a \"class_name\" and a \"config\", got {}", shown(layer)));
}

std::string read_name(const nlohmann::ordered_json& config, const std::string& fallback) {
  const Json& name = member(config, "name");
  if (name.is_null()) return fallback;
  if (name.is_string()) {
    const auto text = name.get<std::string>();
    // Which would break the lines that name the layer.
    if (std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 127; })) {
      return text;
    }
    throw std::invalid_argument(
        fmt::format("\"name\": expected no control characters, got {}", shown(name)));
  }
  throw std::invalid_argument(fmt::format("\"name\": expected a string, got {}", shown(name)));
}

std::string mixed_policy(const nlohmann::ordered_json& config) {
  const Json& dtype = member(config, "dtype");
  const std::string name = dtype.is_string()   ? dtype.get<std::string>()
                           : dtype.is_object() ? text_of(member(dtype, "config"), "name")
                                               : "";
  return name == "mixed_float16" || name == "mixed_bfloat16" ? name : "";
}

std::string dtype_problem(const nlohmann::ordered_json& config) {
  const Json& dtype = member(config, "dtype");
  if (optim::is_float32(dtype) || !mixed_policy(config).empty()) return "";
  return fmt::format("dtype = {}: Sluice has float32", shown(dtype));
}

Shape read_batch_shape(const nlohmann::ordered_json& shape) {
  std::vector<int64_t> sizes;
  bool valid = shape.is_array() && !shape.empty();
  for (size_t i = 1; valid && i < shape.size(); ++i) {
    valid = is_whole(shape[i]) && shape[i].get<int64_t>() >= 1;
    if (valid) sizes.push_back(shape[i].get<int64_t>());
  }
  if (!valid) {
    throw std::invalid_argument(
        fmt::format("input shape {}: every size but the batch must be a number", shown(shape)));
  }
  return Shape(std::move(sizes));
}

bool is_of_keras(const nlohmann::ordered_json& json) {
  const std::string module = text_of(json, "module");
  const bool keras_module = module.empty() || module.starts_with("keras") ||
                            module.starts_with("tf_keras") || module.starts_with("tensorflow.");
  return keras_module && text_of(json, "class_name").find('>') == std::string::npos &&
         text_of(json, "registered_name").find('>') == std::string::npos;
}

// Its last name is not Keras' own class where it is somebody's. "Custom" is Keras' name for no
// package in particular.
std::string class_of_layer(const Json& json) {
  const std::string class_name = json.at("class_name").get<std::string>();
  const std::string registered = text_of(json, "registered_name");
  const std::string full = registered.find('>') != std::string::npos ? registered : class_name;
  const std::string last = full.substr(full.rfind('>') + 1);
  if (is_of_keras(json) || (is_known_layer(full) && !is_own_layer(full))) return full;
  if (!is_own_layer(last)) return full == "Custom>" + last ? last : full;
  const std::string whose = full != last ? full : text_of(json, "module") + "." + last;
  throw std::invalid_argument(
      fmt::format("\"{}\" is not Keras' {}, but somebody's class", whose, last));
}

bool is_model(const Json& json) {
  const std::string class_name = text_of(json, "class_name");
  return (class_name == "Sequential" || class_name == "Functional" || class_name == "Model") &&
         is_of_keras(json);
}

// Of a model that is frozen as a whole, files say it of each layer inside, too: they train again
// when the model does.
static void thaw_if_all_are_frozen(const Json& config, const Model& model) {
  const Json layers = config.value("layers", Json::array());
  const bool any_trains = std::ranges::any_of(layers, [](const Json& layer) {
    return layer.is_object() && member(layer.value("config", Json()), "trainable") == true;
  });
  if (any_trains) return;
  for (const auto& layer : model.layers()) layer->set_trainable(true);
}

std::unique_ptr<Layer> read_layer(const nlohmann::ordered_json& json) {
  const std::string class_name = class_of_layer(json);
  const Json& config = json.at("config");
  const std::string name = read_name(config, "");
  try {
    if (is_model(json)) {
      const bool is_frozen = member(config, "trainable") == false;
      Model inside = read_model(json);
      if (is_frozen) thaw_if_all_are_frozen(config, inside);
      auto nested = std::make_unique<NestedModel>(std::make_shared<const Model>(std::move(inside)));
      nested->set_trainable(!is_frozen);
      return nested;
    }
    require_known_layer(class_name);
    check_common(config);
    const Config read = read_config(class_name, config);
    std::unique_ptr<Layer> layer = make_layer(class_name, read);
    if (dynamic_cast<const CustomLayer*>(layer.get()) == nullptr) check_taken_over(read, *layer);
    layer->set_name(name);
    layer->set_trainable(member(config, "trainable") != false);
    return layer;
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("{} \"{}\": {}", class_name, name, error.what()));
  }
}

}  // namespace sluice::nn
