#include "loss/loss_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "loss/table.h"
#include "optim/call_text.h"
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

using Argument = optim::CallArgument;

void read_option(const Argument& argument, const Json& value, float& option) {
  option = optim::float_of(argument, value);
}
void read_option(const Argument& argument, const Json& value, bool& option) {
  option = optim::flag_of(argument, value);
}
void read_option(const Argument& argument, const Json& value, std::optional<int>& option) {
  option.reset();
  if (value.is_null()) return;
  if (!value.is_number_integer() || !std::in_range<int>(value.get<int64_t>())) {
    optim::refuse_value(argument, "a class number or null", value);
  }
  option = value.get<int>();
}

void read_option(const Argument& argument, const Json& value, LossAxes& option) {
  option = {};
  if (value.is_null()) return;
  const Json axes = value.is_array() ? value : Json::array({value});
  const auto is_axis = [](const Json& axis) {
    return axis.is_number_integer() && std::in_range<int>(axis.get<int64_t>());
  };
  if (axes.empty() || axes.size() > LossAxes::kMost ||
      !std::all_of(axes.begin(), axes.end(), is_axis)) {
    optim::refuse_value(argument, "the number of an axis, a list of such, or null", value);
  }
  for (const Json& axis : axes) option.axes[option.size++] = axis.get<int>();
}

// Of Keras' config, what all losses have. Only the mean over the batch is there, and K is the last
// axis.
bool is_as_here(const std::string& key, const Json& value) {
  if (key == "name" || key == "fn") return true;
  if (key == "dtype") return optim::is_float32(value);
  if (key == "axis") return value == -1 || value == Json::array({-1});
  if (key == "reduction") return value == "sum_over_batch_size" || value == "auto";
  return false;
}

[[noreturn]] void refuse(const auto& definition, const Argument& argument, const Json& value) {
  const std::string& key = argument.name;
  if (key == "axis" || key == "reduction" || key == "dtype") {
    optim::refuse_value(argument, "left out: Sluice has only Keras' default", value);
  }
  std::vector<std::string> names;
  loss::for_each_option(definition, [&](const auto& option) { names.emplace_back(option.name); });
  optim::refuse_argument(argument, names);
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
      const Argument argument{fmt::format("loss \"{}\"", definition.name), key};
      bool known = false;
      loss::for_each_option(definition, [&, &given = value](const auto& option) {
        if (argument.name != option.name) return;
        read_option(argument, given, own.*option.field);
        known = true;
      });
      if (!known && !is_as_here(key, value)) refuse(definition, argument, value);
    }
  });
  loss::validate(read);
  spec = read;
}

}  // namespace sluice
