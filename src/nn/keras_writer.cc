// Model::to_json(): Keras 2's keys with Keras 3's module names, which both of them read.
#include <nlohmann/json.hpp>

#include "nn/initializers.h"
#include "nn/keras_functional.h"
#include "nn/keras_json.h"
#include "nn/model_impl.h"
#include "nn/weight_rules.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

// {"class_name": "GlorotUniform", "config": {"seed": null}}, or the text itself when it names none.
Json from_initializer(const ConfigValue& value) {
  const auto* name = std::get_if<std::string>(&value);
  const nn::Initializer* initializer = name ? nn::find_initializer(*name) : nullptr;
  if (initializer == nullptr) return nn::write_value(value);
  Json config = Json::object();
  if (initializer->distribution != nn::Initializer::Distribution::kConstant) {
    config["seed"] = nullptr;
  }
  return {{"module", "keras.initializers"},
          {"class_name", initializer->keras_class},
          {"config", config},
          {"registered_name", nullptr}};
}

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

}  // namespace

nlohmann::ordered_json nn::write_value(const ConfigValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
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
  const bool custom = dynamic_cast<const CustomLayer*>(&layer) != nullptr;
  Json config = {{"name", layer.name()}, {"trainable", layer.trainable()}, {"dtype", "float32"}};
  const Config settings = layer.config();
  for (const auto& [key, value] : settings.entries()) {
    config[key] = custom                          ? write_value(value)
                  : key.ends_with("_initializer") ? from_initializer(value)
                  : is_rule(key)                  ? from_rule(value)
                  : key == "noise_shape"          ? write_noise_shape(value)
                                                  : write_value(value);
  }
  if (custom) return object(nullptr, layer.class_name(), config, layer.class_name());
  return object("keras.layers", layer.class_name(), config, nullptr);
}

std::string Model::to_json() const {
  Json model;
  if (impl_->is_sequential) {
    Json layer_list = Json::array();
    if (impl_->input) layer_list.push_back(nn::write_input(*impl_->input, impl_->input_name));
    for (const auto& layer : layers()) layer_list.push_back(nn::write_layer(*layer));
    model = object("keras", "Sequential", {{"name", name()}, {"layers", layer_list}}, nullptr);
  } else {
    model = object("keras", "Model", nn::write_functional(*this), nullptr);
  }
  return model.dump(-1, ' ', false, Json::error_handler_t::replace);  // of bytes that are not UTF-8
}

}  // namespace sluice
