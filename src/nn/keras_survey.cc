#include "nn/keras_survey.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/log.h"
#include "nn/keras_json.h"
#include "nn/keras_operations.h"
#include "nn/registry.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

struct Missing {
  std::string first_layer;
  int more = 0;  // layers
};

struct Survey {
  size_t layers = 0;
  std::map<std::string, Missing> missing;  // by their classes
  std::string mixed_policy;
};

bool is_missing(const Json& layer) {
  const std::string class_name = layer["class_name"].get<std::string>();
  if (class_name == "InputLayer" || is_model(layer)) return false;
  try {
    if (is_operation(layer)) return (void)layer_of_operation(layer), false;
  } catch (const std::invalid_argument&) {
    return true;
  }
  try {
    return !is_known_layer(class_of_layer(layer));
  } catch (const std::invalid_argument&) {
    return false;  // which is somebody's own and has the name of one of Keras'
  }
}

void add_missing(const Json& layer, std::map<std::string, Missing>& missing) {
  const std::string class_name = layer["class_name"].get<std::string>();
  const std::string name = read_name(layer["config"], read_name(layer, ""));
  const auto [known, added] = missing.emplace(class_name, Missing{name});
  if (!added) ++known->second.more;
}

void look_at(const Json& layer, Survey& survey) {
  if (!layer.is_object() || !layer.contains("class_name") || !layer["class_name"].is_string() ||
      !layer.contains("config")) {
    return;
  }
  constexpr size_t kMostLayers = 10000;  // whose reading takes seconds, and grows with its square
  if (++survey.layers > kMostLayers) {
    throw std::invalid_argument(fmt::format("more than {} layers", kMostLayers));
  }
  const Json& config = layer["config"];
  if (is_model(layer)) {
    const Json& layers =
        config.is_object() && config.contains("layers") ? config["layers"] : config;
    if (!layers.is_array()) return;
    for (const Json& inner : layers) look_at(inner, survey);
    return;
  }
  if (!config.is_object()) return;
  if (survey.mixed_policy.empty()) survey.mixed_policy = mixed_policy(config);
  if (is_missing(layer)) add_missing(layer, survey.missing);
}

}  // namespace

void survey(const nlohmann::ordered_json& model) {
  Survey found;
  look_at(model, found);
  constexpr size_t kMostNamed = 20;
  if (found.missing.size() > 1) {
    std::vector<std::string> named;
    for (const auto& [class_name, missing] : found.missing) {
      if (named.size() == kMostNamed) break;
      named.push_back(
          fmt::format("\"{}\" of layer \"{}\"{}", class_name, missing.first_layer,
                      missing.more > 0 ? fmt::format(" and {} more", missing.more) : ""));
    }
    const size_t rest = found.missing.size() - named.size();
    throw std::invalid_argument(
        fmt::format("Sluice has no layer classes {}{} (its README lists the layers; in a program, "
                    "register_layer() adds one)",
                    fmt::join(named, ", "), rest > 0 ? fmt::format(", and {} more", rest) : ""));
  }
  if (found.mixed_policy.empty()) return;
  SLUICE_LOG(warn,
             "the model's layers compute in {}, by their dtype; here in float32, as their weights "
             "are, unless a precision is asked for",
             found.mixed_policy);
}

}  // namespace sluice::nn
