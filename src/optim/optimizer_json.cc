#include "optim/optimizer_json.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

// Calls visit(key, field) for every hyperparameter that spec.name uses.
template <typename Spec, typename Visit>
void visit_fields(Spec& spec, Visit visit) {
  visit("learning_rate", spec.learning_rate);
  if (spec.name == "sgd") {
    visit("momentum", spec.momentum);
    visit("nesterov", spec.nesterov);
  } else if (spec.name == "rmsprop") {
    visit("rho", spec.rho);
    visit("momentum", spec.momentum);
    visit("epsilon", spec.epsilon);
    visit("centered", spec.centered);
  } else if (spec.name == "adagrad") {
    visit("initial_accumulator_value", spec.initial_accumulator_value);
    visit("epsilon", spec.epsilon);
  } else if (spec.name == "adam") {
    visit("beta_1", spec.beta_1);
    visit("beta_2", spec.beta_2);
    visit("epsilon", spec.epsilon);
  }
}

// The shortest decimal that reads back as the same float: 0.001, not 0.0010000000474974513.
double shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double result = value;
  std::from_chars(text, end, result);
  return result;
}

void write_field(Json& json, float field) { json = shortest(field); }
void write_field(Json& json, bool field) { json = field; }

void read_field(const Json& value, const std::string& key, float& field) {
  if (!value.is_number())
    throw std::invalid_argument("optimizer: \"" + key + "\" must be a number");
  field = value.get<float>();
}

void read_field(const Json& value, const std::string& key, bool& field) {
  if (!value.is_boolean()) {
    throw std::invalid_argument("optimizer: \"" + key + "\" must be true or false");
  }
  field = value.get<bool>();
}

}  // namespace

void to_json(Json& json, const OptimizerSpec& spec) {
  json = Json::object();
  json["name"] = spec.name;
  visit_fields(spec, [&](const char* key, const auto& field) { write_field(json[key], field); });
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
  visit_fields(spec, [&](const char* key, auto& field) {
    if (!unread.contains(key)) return;
    read_field(unread[key], key, field);
    unread.erase(key);
  });
  if (!unread.empty()) {
    throw std::invalid_argument("optimizer \"" + spec.name + "\" has no field \"" +
                                unread.begin().key() + "\"");
  }
}

}  // namespace sluice
