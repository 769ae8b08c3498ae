#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "nn/initializers.h"
#include "nn/keras_json.h"
#include "nn/registry.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  constexpr size_t kLongest = 80;
  const std::string text = value.dump();
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

// The member `key`, or null.
const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

// An initializer as a string or as {"class_name", "config"}; none when it is not one of ours.
std::optional<ConfigValue> read_initializer(const Json& value) {
  const Initializer* initializer = nullptr;
  if (value.is_string()) {
    initializer = find_initializer(value.get<std::string>());
  } else if (value.is_object() && member(value, "class_name").is_string()) {
    const auto class_name = value["class_name"].get<std::string>();
    const Json& config = member(value, "config");
    if (class_name == "VarianceScaling" && config.is_object()) {
      initializer =
          find_variance_scaling(config.value("scale", 1.0), config.value("mode", "fan_in"),
                                config.value("distribution", "truncated_normal"));
    } else {
      initializer = find_initializer(class_name);
    }
  }
  if (initializer == nullptr) return std::nullopt;
  return ConfigValue(std::string(initializer->name));
}

std::optional<ConfigValue> read_value(const Json& value) {
  if (value.is_null()) return ConfigValue();
  if (value.is_boolean()) return ConfigValue(value.get<bool>());
  if (value.is_number_integer()) return ConfigValue(value.get<int64_t>());
  if (value.is_number_float()) return ConfigValue(value.get<double>());
  if (value.is_string()) return ConfigValue(value.get<std::string>());
  if (!value.is_array()) return std::nullopt;
  std::vector<int64_t> list;
  for (const Json& item : value) {
    if (!item.is_number_integer()) return std::nullopt;
    list.push_back(item.get<int64_t>());
  }
  return ConfigValue(std::move(list));
}

// Whether a setting that was read says what the layer now does: 3 is [3, 3] and 1 is 1.0.
bool same_setting(const ConfigValue& read, const ConfigValue& ours) {
  if (read == ours) return true;
  const auto* number = std::get_if<int64_t>(&read);
  if (number == nullptr) return false;
  if (const auto* real = std::get_if<double>(&ours)) return *real == static_cast<double>(*number);
  if (const auto* list = std::get_if<std::vector<int64_t>>(&ours)) {
    return std::all_of(list->begin(), list->end(), [&](int64_t n) { return n == *number; });
  }
  return false;
}

// Keys that every layer has or that say where it stands, and not what it does.
bool is_common(const std::string& key) {
  return key == "name" || key == "trainable" || key == "dtype" || key == "batch_input_shape" ||
         key == "batch_shape";
}

void check_common(const Json& config) {
  if (config.value("trainable", Json(true)) == false) {
    throw std::invalid_argument("trainable = false: Sluice trains every layer");
  }
  const Json& dtype = member(config, "dtype");
  const Json& type = dtype.is_object() ? member(member(dtype, "config"), "name") : dtype;
  if (!type.is_null() && type != "float32") {
    throw std::invalid_argument("dtype = " + shown(dtype) + ": Sluice has float32");
  }
}

Config read_config(const Json& json) {
  Config config;
  for (const auto& [key, value] : json.items()) {
    if (is_common(key) || value.is_null()) continue;
    const bool initializer = key.ends_with("_initializer");
    const auto read = initializer ? read_initializer(value) : read_value(value);
    if (!read) {
      throw std::invalid_argument(key + " = " + shown(value) + ": Sluice does not have this" +
                                  (initializer ? "; initializers are " + initializer_names() : ""));
    }
    config.set(key, *read);
  }
  return config;
}

// Every setting must be one that the layer took over, or one that is switched off.
void check_taken_over(const Config& read, const Layer& layer) {
  const Config ours = layer.config();
  for (const auto& [key, value] : read.entries()) {
    const bool off = value == ConfigValue(false);
    const ConfigValue* taken = ours.find(key);
    if (taken == nullptr || std::holds_alternative<std::monostate>(*taken)) {
      if (off) continue;
      throw std::invalid_argument("\"" + key + "\" is set: Sluice does not have this; remove it");
    }
    if (!same_setting(value, *taken)) {
      const std::string only = std::visit(
          [](const auto& v) {
            if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
              return std::string("null");
            } else {
              return Json(v).dump();
            }
          },
          *taken);
      throw std::invalid_argument("\"" + key + "\": Sluice has only " + only);
    }
  }
}

}  // namespace

Shape read_batch_shape(const nlohmann::ordered_json& shape) {
  std::vector<int64_t> sizes;
  bool valid = shape.is_array() && !shape.empty();
  for (size_t i = 1; valid && i < shape.size(); ++i) {
    valid = shape[i].is_number_integer() && shape[i].get<int64_t>() >= 1;
    if (valid) sizes.push_back(shape[i].get<int64_t>());
  }
  if (!valid) {
    throw std::invalid_argument("input shape " + shown(shape) +
                                ": every size but the batch must be a number");
  }
  return Shape(std::move(sizes));
}

std::unique_ptr<Layer> read_layer(const nlohmann::ordered_json& json) {
  auto class_name = json.at("class_name").get<std::string>();
  class_name.erase(0, class_name.rfind('>') + 1);  // "Custom>Swish"
  const Json& config = json.at("config");
  const std::string name = config.value("name", "");
  try {
    check_common(config);
    const Config read = read_config(config);
    std::unique_ptr<Layer> layer = make_layer(class_name, read);
    if (dynamic_cast<const CustomLayer*>(layer.get()) == nullptr) check_taken_over(read, *layer);
    layer->set_name(name);
    return layer;
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(class_name + " \"" + name + "\": " + error.what());
  }
}

}  // namespace sluice::nn
