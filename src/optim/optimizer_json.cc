#include "optim/optimizer_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "optim/call_text.h"
#include "optim/decimal.h"
#include "optim/definition.h"
#include "optim/lower_case.h"
#include "optim/schedule.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

// What all optimizers have: visit(name, field).
template <typename Spec, typename Visit>
void visit_common(Spec& spec, Visit visit) {
  visit("weight_decay", spec.weight_decay);
  visit("exclude_from_weight_decay", spec.exclude_from_weight_decay);
  visit("clipnorm", spec.clipnorm);
  visit("global_clipnorm", spec.global_clipnorm);
  visit("clipvalue", spec.clipvalue);
  visit("use_ema", spec.use_ema);
  visit("ema_momentum", spec.ema_momentum);
  visit("ema_overwrite_frequency", spec.ema_overwrite_frequency);
}

// --- Writing ---

Json written(float value) { return optim::decimal_of(value); }
Json written(bool value) { return value; }
Json written(int64_t value) { return value; }
Json written(const std::vector<std::string>& value) { return value; }

Json written(const optim::ScheduleParameter& parameter, const std::vector<double>& values) {
  if (parameter.is_list) return values;
  if (optim::is_flag(parameter.range)) return values.front() != 0;
  return values.front();
}

Json written(const LearningRate& rate) {
  if (rate.schedule.empty()) return written(rate.number);
  Json config = Json::object();
  for (const optim::ScheduleParameter& parameter : optim::find_schedule(rate.schedule).parameters) {
    const auto found = rate.parameters.find(parameter.name);
    if (found == rate.parameters.end()) continue;
    config[parameter.name] = written(parameter, found->second);
  }
  return {{"module", "keras.optimizers.schedules"},
          {"class_name", rate.schedule},
          {"config", config},
          {"registered_name", nullptr}};
}

// --- Reading ---

using Argument = optim::CallArgument;

void read(const Json& value, const Argument& argument, float& field) {
  field = optim::float_of(argument, value);
}
void read(const Json& value, const Argument& argument, bool& field) {
  field = optim::flag_of(argument, value);
}
void read(const Json& value, const Argument& argument, int64_t& field) {
  if (!value.is_number_integer()) optim::refuse_value(argument, "a whole number", value);
  field = value.get<int64_t>();
}

void read(const Json& value, const Argument& argument, std::vector<std::string>& field) {
  const Json list = value.is_array() ? value : Json::array({value});
  std::vector<std::string> names;
  for (const Json& name : list) {
    if (!name.is_string()) optim::refuse_value(argument, "a list of names", value);
    names.push_back(name.get<std::string>());
  }
  field = std::move(names);
}

std::vector<double> read(const std::string& whose, const optim::ScheduleParameter& parameter,
                         const Json& value) {
  const Argument argument{whose, parameter.name};
  if (optim::is_flag(parameter.range)) return {optim::flag_of(argument, value) ? 1.0 : 0.0};
  const auto is_number = [](const Json& number) { return number.is_number(); };
  if (!parameter.is_list) {
    if (!value.is_number()) optim::refuse_value(argument, "a number", value);
    return {value.get<double>()};
  }
  if (!value.is_array() || !std::ranges::all_of(value, is_number)) {
    optim::refuse_value(argument, "a list of numbers", value);
  }
  return value.get<std::vector<double>>();
}

bool has_class(const Json& json) {
  return json.is_object() && json.contains("class_name") && json["class_name"].is_string();
}

LearningRate read_schedule(const Json& json) {
  const optim::ScheduleDefinition& schedule =
      optim::find_schedule(json["class_name"].get<std::string>());
  const std::string whose(schedule.class_name);
  LearningRate rate(0);
  rate.schedule = schedule.class_name;
  rate.parameters = schedule.defaults();
  Json unread = json.value("config", Json::object());
  if (!unread.is_object()) optim::refuse_value({whose, "config"}, "an object", unread);
  std::vector<std::string> names;
  for (const optim::ScheduleParameter& parameter : schedule.parameters) {
    names.emplace_back(parameter.name);
    const auto field = unread.find(parameter.name);
    if (field == unread.end()) continue;
    if (!field->is_null()) rate.parameters[parameter.name] = read(whose, parameter, *field);
    unread.erase(field);
  }
  unread.erase("name");
  if (!unread.empty()) optim::refuse_argument({whose, unread.begin().key()}, names);
  return rate;
}

bool is_schedule(const Json& json) {
  if (!json.is_string()) return false;
  const std::string name = optim::lower_case(json.get<std::string>());
  return std::ranges::any_of(optim::schedules(), [&](const optim::ScheduleDefinition& schedule) {
    return name == optim::lower_case(schedule.class_name);
  });
}

void read(const Json& value, const Argument& argument, LearningRate& field) {
  if (has_class(value)) {
    field = read_schedule(value);
  } else if (is_schedule(value)) {  // CosineDecay, without brackets behind it
    field = read_schedule({{"class_name", value}});
  } else if (value.is_number()) {
    read(value, argument, field.number);
    field.schedule.clear();
    field.parameters.clear();
  } else {
    optim::refuse_value(argument, "a number or a schedule", value);
  }
}

// Off, as Keras writes it.
bool is_off(const Json& value) {
  return value.is_null() || value == Json(false) || (value.is_number() && value == Json(0));
}

// What Keras' configs have beside these.
constexpr std::string_view kChangeNothing[] = {"name", "loss_scale_factor", "jit_compile"};
constexpr std::string_view kMustBeOff[] = {"decay", "is_legacy_optimizer",
                                           "gradient_accumulation_steps"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

std::string whose_of(const OptimizerSpec& spec) {
  return fmt::format("optimizer \"{}\"", spec.name);
}

void refuse_field(const OptimizerSpec& spec, const std::string& key, const Json& value) {
  if (has(kChangeNothing, key)) return;
  if (has(kMustBeOff, key)) {
    if (is_off(value)) return;
    optim::refuse_value({whose_of(spec), key}, "left out: Sluice trains without it", value);
  }
  std::vector<std::string> names = {"learning_rate"};
  for (const optim::Hyperparameter& parameter : optim::definition_of(spec).hyperparameters) {
    names.emplace_back(parameter.name);
  }
  visit_common(spec, [&](const char* name, const auto&) { names.emplace_back(name); });
  optim::refuse_argument({whose_of(spec), key}, names);
}

// {"name": "Adam", ...} of Keras' {"class_name": "Adam", "config": {...}}.
Json without_class(const Json& json) {
  if (!json.is_object() || !json.contains("class_name")) return json;
  Json fields = json.value("config", Json::object());
  if (!fields.is_object()) throw std::invalid_argument("optimizer: \"config\" must be an object");
  fields["name"] = json["class_name"];
  return fields;
}

// Reads `key` of `fields`, where it is, and takes it out.
template <typename Field>
void take(Json& fields, const std::string& whose, const char* key, Field& field) {
  const auto found = fields.find(key);
  if (found == fields.end()) return;
  if (!found->is_null()) read(*found, {whose, key}, field);
  fields.erase(found);
}

}  // namespace

void to_json(Json& json, const OptimizerSpec& spec) {
  const optim::Definition& definition = optim::definition_of(spec);
  Json config = {{"learning_rate", written(spec.learning_rate)}};
  for (const optim::Hyperparameter& parameter : definition.hyperparameters) {
    const float value = spec.hyperparameters.at(parameter.name);
    config[parameter.name] = optim::is_flag(parameter.range) ? Json(value != 0) : written(value);
  }
  Json defaults = Json::object();
  const OptimizerSpec of_keras = definition.defaults();
  visit_common(of_keras,
               [&](const char* name, const auto& field) { defaults[name] = written(field); });
  visit_common(spec, [&](const char* name, const auto& field) {
    if (written(field) != defaults[name]) config[name] = written(field);
  });
  json = {{"class_name", definition.class_name}, {"config", config}};
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
  spec = optim::default_spec(json["name"].get<std::string>());
  Json unread = json;
  unread.erase("name");
  const std::string whose = whose_of(spec);
  take(unread, whose, "learning_rate", spec.learning_rate);
  for (const optim::Hyperparameter& parameter : optim::definition_of(spec).hyperparameters) {
    float& value = spec.hyperparameters[parameter.name];
    if (optim::is_flag(parameter.range)) {
      bool flag = value != 0;
      take(unread, whose, parameter.name, flag);
      value = flag ? 1.0f : 0.0f;
    } else {
      take(unread, whose, parameter.name, value);
    }
  }
  visit_common(spec, [&](const char* name, auto& field) { take(unread, whose, name, field); });
  for (const auto& [key, value] : unread.items()) refuse_field(spec, key, value);
}

}  // namespace sluice
