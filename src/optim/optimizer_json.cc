#include "optim/optimizer_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "core/alternatives.h"
#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

void write_field(Json& json, float field) { json = optim::decimal_of(field); }
void write_field(Json& json, bool field) { json = field; }

void read_field(const Json& value, const std::string& key, float& field) {
  if (!value.is_number()) {
    throw std::invalid_argument(
        fmt::format("optimizer: \"{}\" must be a number, got {}", key, value.dump()));
  }
  const auto number = value.get<double>();
  field = static_cast<float>(number);
  if (std::isfinite(number) && !std::isfinite(field)) {
    throw std::invalid_argument(fmt::format(
        "optimizer: \"{}\" = {} does not fit into float32 (3.4e38 at most)", key, number));
  }
}

void read_field(const Json& value, const std::string& key, bool& field) {
  if (!value.is_boolean()) {
    throw std::invalid_argument(
        fmt::format("optimizer: \"{}\" must be true or false, got {}", key, value.dump()));
  }
  field = value.get<bool>();
}

// Off, as Keras writes it.
bool is_off(const Json& value) {
  return value.is_null() || value == Json(false) || (value.is_number() && value == Json(0));
}

// What Keras' configs have beside the hyperparameters of their optimizer.
constexpr std::string_view kChangeNothing[] = {"name", "ema_momentum", "ema_overwrite_frequency",
                                               "loss_scale_factor", "jit_compile"};
constexpr std::string_view kMustBeOff[] = {"weight_decay",
                                           "clipnorm",
                                           "global_clipnorm",
                                           "clipvalue",
                                           "use_ema",
                                           "decay",
                                           "amsgrad",
                                           "is_legacy_optimizer",
                                           "gradient_accumulation_steps"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

void refuse_field(const std::string& optimizer, const std::string& key, const Json& value) {
  if (has(kChangeNothing, key)) return;
  if (has(kMustBeOff, key)) {
    if (is_off(value)) return;
    throw std::invalid_argument(
        fmt::format("optimizer \"{}\": Sluice trains without \"{}\", but it is {}: leave it out",
                    optimizer, key, value.dump()));
  }
  const auto quoted = [](const optim::Hyperparameter& parameter) {
    return fmt::format("\"{}\"", parameter.name);
  };
  throw std::invalid_argument(
      fmt::format("optimizer \"{}\" has no field \"{}\": use {}", optimizer, key,
                  core::alternatives(optim::definition_of(optimizer).hyperparameters, quoted)));
}

// Keras' own object, {"class_name": "Adam", "config": {...}}, as ours: {"name": "Adam", ...}.
Json without_class(const Json& json) {
  if (!json.is_object() || !json.contains("class_name")) return json;
  Json fields = json.contains("config") ? json["config"] : Json::object();
  if (!fields.is_object()) throw std::invalid_argument("optimizer: \"config\" must be an object");
  fields["name"] = json["class_name"];
  return fields;
}

}  // namespace

void to_json(Json& json, const OptimizerSpec& spec) {
  json = Json::object();
  json["name"] = spec.name;
  for (const optim::Hyperparameter& parameter : optim::definition_of(spec).hyperparameters) {
    std::visit([&](const auto& value) { write_field(json[parameter.name], spec.*value.field); },
               parameter.value);
  }
}

void from_json(const Json& asked, OptimizerSpec& spec) {
  const Json json = without_class(asked);
  if (json.is_string()) {
    spec = OptimizerSpec(json.get<std::string>());
    return;
  }
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) {
    throw std::invalid_argument(
        "optimizer: expected a name or an object with a \"name\", such as {\"name\": \"adam\"}");
  }
  spec = OptimizerSpec(json["name"].get<std::string>());
  Json unread = json;
  unread.erase("name");
  for (const optim::Hyperparameter& parameter : optim::definition_of(spec).hyperparameters) {
    const auto field = unread.find(parameter.name);
    if (field == unread.end()) continue;
    std::visit([&](const auto& value) { read_field(*field, parameter.name, spec.*value.field); },
               parameter.value);
    unread.erase(field);
  }
  for (const auto& [key, value] : unread.items()) refuse_field(spec.name, key, value);
}

}  // namespace sluice
