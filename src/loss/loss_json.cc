#include "loss/loss_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/alternatives.h"
#include "loss/table.h"
#include "optim/decimal.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

void write_option(Json& json, float value) { json = optim::decimal_of(value); }
void write_option(Json& json, bool value) { json = value; }
void write_option(Json& json, const std::optional<int>& value) {
  json = value ? Json(*value) : Json(nullptr);
}
void write_option(Json& json, const LossAxes& value) {
  if (value.size > 0) json = std::span(value.axes).first(value.size);
}

[[noreturn]] void wrong_type(const std::string& key, const char* expected, const Json& value) {
  throw std::invalid_argument(
      fmt::format("loss: \"{}\" must be {}, got {}", key, expected, value.dump()));
}

void read_option(const std::string& key, const Json& value, float& option) {
  if (!value.is_number()) wrong_type(key, "a number", value);
  option = static_cast<float>(value.get<double>());
}
void read_option(const std::string& key, const Json& value, bool& option) {
  if (!value.is_boolean()) wrong_type(key, "true or false", value);
  option = value.get<bool>();
}
void read_option(const std::string& key, const Json& value, std::optional<int>& option) {
  option.reset();
  if (value.is_null()) return;
  if (!value.is_number_integer() || !std::in_range<int>(value.get<int64_t>())) {
    wrong_type(key, "a class number or null", value);
  }
  option = value.get<int>();
}

void read_option(const std::string& key, const Json& value, LossAxes& option) {
  option = {};
  if (value.is_null()) return;
  const Json axes = value.is_array() ? value : Json::array({value});
  const auto is_axis = [](const Json& axis) {
    return axis.is_number_integer() && std::in_range<int>(axis.get<int64_t>());
  };
  if (axes.empty() || axes.size() > LossAxes::kMost ||
      !std::all_of(axes.begin(), axes.end(), is_axis)) {
    wrong_type(key, "the number of an axis, a list of such, or null", value);
  }
  for (const Json& axis : axes) option.axes[option.size++] = axis.get<int>();
}

// Of Keras' config, what all losses have. Only the mean over the batch is there, and K is the last
// axis.
bool is_as_here(const std::string& key, const Json& value) {
  if (key == "name" || key == "fn") return true;
  if (key == "dtype") return value.is_null() || value.is_object() || value == "float32";
  if (key == "axis") return value == -1 || value == Json::array({-1});
  if (key == "reduction") return value == "sum_over_batch_size" || value == "auto";
  return false;
}

[[noreturn]] void refuse(const auto& definition, const std::string& key, const Json& value) {
  if (key == "axis" || key == "reduction" || key == "dtype") {
    throw std::invalid_argument(fmt::format(
        "loss \"{}\": Sluice has no other \"{}\" than the default, but it is {}: leave it out",
        definition.name, key, value.dump()));
  }
  std::vector<std::string> names;
  loss::for_each_option(definition, [&](const auto& option) { names.emplace_back(option.name); });
  const auto quoted = [](const std::string& name) { return fmt::format("\"{}\"", name); };
  const std::string instead =
      names.empty() ? "leave it out" : "use " + core::alternatives(names, quoted);
  throw std::invalid_argument(
      fmt::format("loss \"{}\" has no option \"{}\": {}", definition.name, key, instead));
}

// {"name": NAME, options...}
Json flat(const Json& json) {
  if (!json.is_object() || !json.contains("class_name")) return json;
  Json fields = json.contains("config") ? json["config"] : Json::object();
  if (!fields.is_object()) throw std::invalid_argument("loss: \"config\" must be an object");
  fields["name"] = json["class_name"];
  return fields;
}

}  // namespace

void to_json(Json& json, const LossSpec& spec) {
  loss::with_definition(spec, [&]<typename Loss>(const auto& definition, const Loss& own) {
    if (own == Loss{}) {
      json = definition.name;
      return;
    }
    Json config = Json::object();
    loss::for_each_option(definition, [&](const auto& option) {
      write_option(config[option.name], own.*option.field);
    });
    json = Json::object();
    json["class_name"] = definition.class_name;
    json["config"] = std::move(config);
  });
}

void from_json(const Json& asked, LossSpec& spec) {
  const Json json = flat(asked);
  if (json.is_string()) {
    spec = LossSpec(json.get<std::string>());
    return;
  }
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) {
    throw std::invalid_argument(
        "loss: expected a name or an object with a \"class_name\", such as "
        R"({"class_name": "Huber", "config": {"delta": 2}})");
  }
  LossSpec read(json["name"].get<std::string>());
  loss::with_definition(read, [&](const auto& definition, auto& own) {
    for (const auto& [key, value] : json.items()) {
      bool known = false;
      loss::for_each_option(definition, [&, &name = key, &given = value](const auto& option) {
        if (name != option.name) return;
        read_option(name, given, own.*option.field);
        known = true;
      });
      if (!known && !is_as_here(key, value)) refuse(definition, key, value);
    }
  });
  loss::validate(read);
  spec = read;
}

}  // namespace sluice
