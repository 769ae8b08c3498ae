#include "nn/weight_rules.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "core/alternatives.h"
#include "optim/call_text.h"
#include "optim/decimal.h"
#include "sluice/constraints.h"
#include "sluice/regularizers.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

struct RuleClass {
  const char* class_name;  // Keras'
  const char* name;        // Keras' name in lower case
  bool is_constraint;
  Json (*defaults)();
};

const RuleClass kClasses[] = {
    {"L1", "l1", false,
     [] {
       return Json{{"l1", 0.01}};
     }},
    {"L2", "l2", false,
     [] {
       return Json{{"l2", 0.01}};
     }},
    {"L1L2", "l1_l2", false,
     [] {
       return Json{{"l1", 0.0}, {"l2", 0.0}};
     }},
    {"OrthogonalRegularizer", "orthogonal_regularizer", false,
     [] {
       return Json{{"factor", 0.01}, {"mode", "rows"}};
     }},
    {"MaxNorm", "max_norm", true,
     [] {
       return Json{{"max_value", 2.0}, {"axis", 0}};
     }},
    {"NonNeg", "non_neg", true, [] { return Json(Json::object()); }},
    {"UnitNorm", "unit_norm", true,
     [] {
       return Json{{"axis", 0}};
     }},
    {"MinMaxNorm", "min_max_norm", true, [] {
       return Json{{"min_value", 0.0}, {"max_value", 1.0}, {"rate", 1.0}, {"axis", 0}};
     }}};

const RuleClass* find_class(const std::string& name) {
  const auto found = std::ranges::find_if(
      kClasses, [&](const RuleClass& c) { return name == c.class_name || name == c.name; });
  return found == std::end(kClasses) ? nullptr : &*found;
}

std::vector<int64_t> axes_of(const Json& axis) {
  if (axis.is_number_integer()) return {axis.get<int64_t>()};
  const auto is_whole = [](const Json& value) { return value.is_number_integer(); };
  if (!axis.is_array() || axis.empty() || !std::ranges::all_of(axis, is_whole)) {
    throw std::invalid_argument("axis must be a whole number or a list of them");
  }
  return axis.get<std::vector<int64_t>>();
}

Json written(const std::vector<int64_t>& axes) {
  return axes.size() == 1 ? Json(axes.front()) : Json(axes);
}

// What was written, not its float32: 0.001, not 0.0010000000474974513.
Json number_of(const std::string& key, const Json& value) {
  if (!value.is_number()) throw std::invalid_argument(key + " must be a number");
  const auto number = value.get<float>();
  if (!std::isfinite(number) || number < 0) {
    throw std::invalid_argument(key + " must be finite and at least 0");
  }
  return optim::decimal_of(number);
}

std::string mode_of(const Json& value) {
  if (value == "rows" || value == "columns") return value;
  throw std::invalid_argument("mode must be rows or columns");
}

// The object with every argument, and none besides.
Json complete(const Json& json) {
  const auto class_name = json.at("class_name").get<std::string>();
  const RuleClass* rule = find_class(class_name);
  if (rule == nullptr) throw std::invalid_argument(fmt::format("\"{}\" is not known", class_name));
  Json config = rule->defaults();
  const Json given = json.value("config", Json::object());
  if (!given.is_object()) throw std::invalid_argument("\"config\" must be an object");
  for (const auto& [key, value] : given.items()) {
    if (!config.contains(key)) {
      throw std::invalid_argument(fmt::format("{} has no \"{}\"", rule->class_name, key));
    }
    if (value.is_null()) continue;
    config[key] = key == "axis"   ? written(axes_of(value))
                  : key == "mode" ? Json(mode_of(value))
                                  : number_of(key, value);
  }
  if (config.contains("rate") && config["rate"] > 1.0) {
    throw std::invalid_argument("rate must be from 0 to 1");
  }
  return {{"class_name", rule->class_name}, {"config", config}};
}

std::string text_of(const Json& complete) {
  std::vector<std::string> arguments;
  for (const auto& [key, value] : complete["config"].items()) {
    arguments.push_back(key + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return fmt::format("{}({})", complete["class_name"].get<std::string>(),
                     fmt::join(arguments, ", "));
}

std::string parse(const Argument& argument, const std::string& text, bool is_constraint) {
  if (text.empty()) return "";
  try {
    const Json rule = complete(optim::parse_call(text));
    if (find_class(rule["class_name"])->is_constraint == is_constraint) return text_of(rule);
    throw std::invalid_argument("this is the other kind");
  } catch (const std::invalid_argument& error) {
    std::vector<const RuleClass*> classes;
    for (const RuleClass& rule : kClasses) {
      if (rule.is_constraint == is_constraint) classes.push_back(&rule);
    }
    const auto name = [](const RuleClass* rule) { return std::string(rule->class_name); };
    throw std::invalid_argument(fmt::format("{}: {} = \"{}\": {}; use {}", argument.layer_class,
                                            argument.name, text, error.what(),
                                            core::alternatives(classes, name)));
  }
}

// The norm's axes must be neighbours.
backend::NormConstraint norm_over(const std::vector<int64_t>& asked, const Shape& shape) {
  const int64_t rank = shape.rank();
  std::vector<int64_t> axes;
  for (const int64_t axis : asked) axes.push_back(axis < 0 ? axis + rank : axis);
  std::ranges::sort(axes);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes.front() < 0 || axes.back() >= rank ||
        axes[i] != axes.front() + static_cast<int64_t>(i)) {
      throw std::invalid_argument(fmt::format("axis {}: a weight {} has no such axes side by side",
                                              written(asked).dump(), shape.to_string()));
    }
  }
  backend::NormConstraint norm;
  for (int64_t axis = 0; axis < rank; ++axis) {
    int64_t& part = axis < axes.front() ? norm.outer : axis > axes.back() ? norm.inner : norm.count;
    part *= shape[axis];
  }
  return norm;
}

void set_regularizer(const Json& json, const Shape& shape, backend::WeightRule& rule) {
  const Json& config = json["config"];
  rule.l1 = config.value("l1", 0.0f);
  rule.l2 = config.value("l2", 0.0f);
  if (json["class_name"] != "OrthogonalRegularizer") return;
  const bool by_rows = config["mode"] == "rows";
  if (shape.rank() != 2 || shape[by_rows ? 0 : 1] < 2) {
    throw std::invalid_argument(fmt::format("OrthogonalRegularizer: a weight {} has no two {}",
                                            shape.to_string(), config["mode"].get<std::string>()));
  }
  const int64_t rows = shape[0], columns = shape[1];
  rule.orthogonality = backend::Orthogonality{.factor = config["factor"],
                                              .vectors = by_rows ? rows : columns,
                                              .size = by_rows ? columns : rows,
                                              .vector_stride = by_rows ? columns : 1,
                                              .stride = by_rows ? 1 : columns};
}

void set_constraint(const Json& json, const Shape& shape, backend::WeightRule& rule) {
  const auto class_name = json["class_name"].get<std::string>();
  const Json& config = json["config"];
  if (class_name == "NonNeg") {
    rule.not_negative = true;
    return;
  }
  rule.norm = norm_over(axes_of(config["axis"]), shape);
  rule.norm->min_value = class_name == "UnitNorm" ? 1.0f : config.value("min_value", 0.0f);
  rule.norm->max_value = class_name == "UnitNorm" ? 1.0f : config.value("max_value", 1.0f);
  rule.norm->rate = config.value("rate", 1.0f);
}

}  // namespace

std::string parse_regularizer(const Argument& argument, const std::string& text) {
  return parse(argument, text, false);
}

std::string parse_constraint(const Argument& argument, const std::string& text) {
  return parse(argument, text, true);
}

std::string parse_activity_regularizer(const Argument& argument, const std::string& text) {
  std::string all = parse_regularizer(argument, text);
  if (!all.starts_with("OrthogonalRegularizer")) return all;
  throw std::invalid_argument(
      fmt::format("{}: {} = \"{}\": activities are no matrix; use L1, L2 or "
                  "L1L2",
                  argument.layer_class, argument.name, text));
}

std::string read_weight_rule(const nlohmann::ordered_json& json) {
  return text_of(complete(json.is_string() ? optim::parse_call(json.get<std::string>()) : json));
}

nlohmann::ordered_json write_weight_rule(const std::string& text) {
  const Json rule = complete(optim::parse_call(text));
  const bool is_constraint = find_class(rule["class_name"])->is_constraint;
  return {{"module", is_constraint ? "keras.constraints" : "keras.regularizers"},
          {"class_name", rule["class_name"]},
          {"config", rule["config"]},
          {"registered_name", nullptr}};
}

ConfigValue or_null(const std::string& text) {
  return text.empty() ? ConfigValue() : ConfigValue(text);
}

backend::ActivityPenalty activity_penalty(const std::string& text) {
  const Json config = complete(optim::parse_call(text))["config"];
  return {.l1 = config.value("l1", 0.0f), .l2 = config.value("l2", 0.0f)};
}

backend::WeightRule weight_rule(const std::string& who, const WeightSpec& weight) {
  backend::WeightRule rule;
  try {
    if (!weight.regularizer.empty()) {
      set_regularizer(complete(optim::parse_call(weight.regularizer)), weight.shape, rule);
    }
    if (!weight.constraint.empty()) {
      set_constraint(complete(optim::parse_call(weight.constraint)), weight.shape, rule);
    }
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(
        fmt::format("{}: weight \"{}\": {}", who, weight.name, error.what()));
  }
  return rule;
}

}  // namespace sluice::nn

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const char* class_name, const Json& config) {
  return nn::read_weight_rule({{"class_name", class_name}, {"config", config}});
}

}  // namespace

std::string L1(float l1) { return text("L1", {{"l1", l1}}); }

std::string L2(float l2) { return text("L2", {{"l2", l2}}); }

std::string L1L2(const L1L2Options& options) {
  return text("L1L2", {{"l1", options.l1}, {"l2", options.l2}});
}

std::string OrthogonalRegularizer(const OrthogonalRegularizerOptions& options) {
  return text("OrthogonalRegularizer", {{"factor", options.factor}, {"mode", options.mode}});
}

std::string MaxNorm(const MaxNormOptions& options) {
  return text("MaxNorm", {{"max_value", options.max_value}, {"axis", options.axis}});
}

std::string NonNeg() { return text("NonNeg", Json::object()); }

std::string UnitNorm(const UnitNormOptions& options) {
  return text("UnitNorm", {{"axis", options.axis}});
}

std::string MinMaxNorm(const MinMaxNormOptions& options) {
  return text("MinMaxNorm", {{"min_value", options.min_value},
                             {"max_value", options.max_value},
                             {"rate", options.rate},
                             {"axis", options.axis}});
}

}  // namespace sluice
