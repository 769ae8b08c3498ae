#include "optim/optimizer_json.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "optim/decimal.h"
#include "optim/definition.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

void write_field(Json& json, float field) { json = optim::decimal_of(field); }
void write_field(Json& json, bool field) { json = field; }

void read_field(const Json& value, const std::string& key, float& field) {
  if (!value.is_number()) {
    throw std::invalid_argument(fmt::format("optimizer: \"{}\" must be a number", key));
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
    throw std::invalid_argument(fmt::format("optimizer: \"{}\" must be true or false", key));
  }
  field = value.get<bool>();
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

void from_json(const Json& json, OptimizerSpec& spec) {
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
  if (!unread.empty()) {
    throw std::invalid_argument(
        fmt::format("optimizer \"{}\" has no field \"{}\"", spec.name, unread.begin().key()));
  }
}

}  // namespace sluice
