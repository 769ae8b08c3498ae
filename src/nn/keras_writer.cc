// Model::to_json(): Keras 2's keys with Keras 3's module names, which both of them read.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_text.h"
#include "nn/arguments.h"
#include "nn/initializers.h"
#include "nn/keras_functional.h"
#include "nn/keras_json.h"
#include "nn/model_impl.h"
#include "nn/nested_model.h"
#include "nn/weight_rules.h"
#include "sluice/layers/activation.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

bool is_rule(const std::string& key) {
  return key.ends_with("_regularizer") || key.ends_with("_constraint");
}

Json from_rule(const ConfigValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? nn::write_weight_rule(*text) : nn::write_value(value);
}

// Of which 0, any size, is null in Keras.
Json write_noise_shape(const ConfigValue& value) {
  Json list = nn::write_value(value);
  for (Json& item : list) {
    if (item == 0) item = nullptr;
  }
  return list;
}

Json object(const Json& module, const std::string& class_name, const Json& config,
            const Json& registered_name) {
  return {{"module", module},
          {"class_name", class_name},
          {"config", config},
          {"registered_name", registered_name}};
}

Json from_config(const Config& config) {
  Json json = Json::object();
  for (const auto& [key, value] : config.entries()) json[key] = nn::write_value(value);
  return json;
}

// {"class_name": "GlorotUniform", "config": {"seed": null}}
Json from_initializer(const Config& settings, const std::string& key) {
  const ConfigObject initializer = nn::keras_object(nn::get_initializer(settings, key, "zeros"));
  return object("keras.initializers", initializer.name, from_config(initializer.arguments),
                nullptr);
}

// The layer that is this function; none where Keras has no layer for it.
std::unique_ptr<Layer> layer_of(const ActivationFunction& function) {
  const Config& arguments = function.arguments;
  if (function.name == "relu") return ReLU::from_config(arguments);
  if (function.name == "leaky_relu") return LeakyReLU::from_config(arguments);
  if (function.name == "elu") return ELU::from_config(arguments);
  if (function.name == "softmax") return Softmax::from_config(arguments);
  return nullptr;
}

// The function's name, or, with arguments, what Keras writes of the layer.
Json from_activation(const Config& settings, const std::string& key) {
  const ActivationFunction function = nn::get_activation(settings, key, "linear");
  if (function.arguments.entries().empty()) return function.name;
  const std::unique_ptr<Layer> layer = layer_of(function);
  if (layer == nullptr) return nn::write_value(function);
  return object("keras.layers", layer->class_name(), from_config(layer->config()), nullptr);
}

// Keras 2 had another hard_sigmoid, and a file's version tells which one is meant. A model that has
// both is written with names of ours, which Keras refuses.
constexpr const char* kHardSigmoid = "hard_sigmoid";
constexpr const char* kHardSigmoid2 = "hard_sigmoid_keras2";

bool has_activation(const Model& model, const std::string& name) {
  return std::ranges::any_of(model.layers(), [&](const auto& layer) {
    const ConfigValue value =
        nn::to_value(dynamic_cast<const CustomLayer*>(layer.get()) != nullptr
                         ? ActivationFunction("linear")
                         : nn::get_activation(layer->config(), "activation", "linear"));
    return value == ConfigValue(name);
  });
}

void rename_activations(Json& json) {
  for (auto& [key, value] : json.items()) {
    if (key == "activation" && value == kHardSigmoid2) value = kHardSigmoid;
    if (value.is_structured()) rename_activations(value);
  }
}

// Keras goes by what the layers inside say, not by the model around them.
void freeze(Json& model) {
  for (Json& layer : model["config"]["layers"]) {
    Json& config = layer["config"];
    if (config.contains("trainable")) config["trainable"] = false;
    if (config.contains("layers")) freeze(layer);
  }
}

}  // namespace

nlohmann::ordered_json nn::write_value(const ConfigValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        using Value = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<Value, std::monostate>) {
          return nullptr;
        } else if constexpr (std::is_same_v<Value, ConfigObject>) {
          return {{"class_name", v.name}, {"config", from_config(v.arguments)}};
        } else {
          return v;
        }
      },
      value);
}

nlohmann::ordered_json nn::write_input(const Shape& shape, const std::string& name) {
  Json batch_shape = Json::array({nullptr});
  for (int64_t size : shape.dims()) batch_shape.push_back(size);
  return object("keras.layers", "InputLayer",
                {{"batch_input_shape", batch_shape},
                 {"dtype", "float32"},
                 {"sparse", false},
                 {"ragged", false},
                 {"name", name}},
                nullptr);
}

nlohmann::ordered_json nn::write_layer(const Layer& layer) {
  if (const auto* nested = dynamic_cast<const NestedModel*>(&layer)) {
    Json json = write_model(nested->model());
    json["config"]["name"] = layer.name();
    json["config"]["trainable"] = layer.trainable();
    if (!layer.trainable()) freeze(json);
    return json;
  }
  const bool custom = dynamic_cast<const CustomLayer*>(&layer) != nullptr;
  Json config = {{"name", layer.name()}, {"trainable", layer.trainable()}, {"dtype", "float32"}};
  // Keras 3's own take no "trainable", alone of all layers.
  if (!custom && layer.class_name().starts_with("SpatialDropout")) config.erase("trainable");
  const Config settings = layer.config();
  for (const auto& [key, value] : settings.entries()) {
    config[key] = custom                          ? nn::write_value(value)
                  : key.ends_with("_initializer") ? from_initializer(settings, key)
                  : key == "activation"           ? from_activation(settings, key)
                  : is_rule(key)                  ? from_rule(value)
                  : key == "noise_shape"          ? write_noise_shape(value)
                                                  : nn::write_value(value);
  }
  if (custom) return object(nullptr, layer.class_name(), config, layer.class_name());
  return object("keras.layers", layer.class_name(), config, nullptr);
}

nlohmann::ordered_json nn::write_model(const Model& model) {
  if (!model.impl().is_sequential)
    return object("keras", "Model", write_functional(model), nullptr);
  Json layers = Json::array();
  for (const auto& [name, shape] : model.impl().inputs) layers.push_back(write_input(shape, name));
  for (const auto& layer : model.layers()) layers.push_back(write_layer(*layer));
  return object("keras", "Sequential", {{"name", model.name()}, {"layers", layers}}, nullptr);
}

std::string Model::to_json() const {
  Json model = nn::write_model(*this);
  if (has_activation(*this, kHardSigmoid2) && !has_activation(*this, kHardSigmoid)) {
    rename_activations(model["config"]);
    model["keras_version"] = "2.15.0";
    model["backend"] = "tensorflow";
  }
  return core::json_text(model);  // of bytes that are not UTF-8
}

}  // namespace sluice
