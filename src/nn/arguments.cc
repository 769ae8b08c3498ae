#include "nn/arguments.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sluice/errors.h"

namespace sluice::nn {
namespace {

[[noreturn]] void refuse(const Argument& argument, const std::string& value,
                         const std::string& allowed) {
  throw std::invalid_argument(
      fmt::format("{}: {} = {}: {}", argument.layer_class, argument.name, value, allowed));
}

constexpr int64_t kLargestSize = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostElements = int64_t{1} << 40;

std::string in_quotes(const std::string& text) { return fmt::format("\"{}\"", text); }

const char* type_of(const ConfigValue& value) {
  switch (value.index()) {
    case 1:
      return "true or false";
    case 2:
      return "a whole number";
    case 4:
      return "a string";
    default:
      return "a number";
  }
}

// Whether it is no number, or one that float32 holds: 1e300 is none.
bool is_finite(const ConfigValue& value) {
  const auto* const number = std::get_if<double>(&value);
  return number == nullptr || std::isfinite(static_cast<float>(*number));
}

// The value in the parameter's type, or null for one of another.
ConfigValue in_type(const ConfigValue& value, const ConfigValue& fallback) {
  const bool number =
      std::holds_alternative<double>(fallback) || std::holds_alternative<std::monostate>(fallback);
  if (number && std::holds_alternative<int64_t>(value)) {
    return static_cast<double>(std::get<int64_t>(value));
  }
  if (number ? std::holds_alternative<double>(value) : value.index() == fallback.index()) {
    return value;
  }
  return {};
}

ConfigObject get_object(const Config& config, const std::string& key,
                        const ConfigObject& fallback) {
  const ConfigValue* const value = config.find(key);
  if (value != nullptr && std::holds_alternative<ConfigObject>(*value)) {
    return std::get<ConfigObject>(*value);
  }
  if (value == nullptr || std::holds_alternative<std::monostate>(*value)) return fallback;
  return {config.get_string(key, ""), {}};
}

}  // namespace

void require_keys(const Config& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (!config.has(key)) throw std::invalid_argument(fmt::format("has no \"{}\"", key));
  }
}

void require_size(const Argument& argument, int64_t value) {
  if (value < 1) refuse(argument, std::to_string(value), "must be at least 1");
  if (value > kLargestSize) {
    refuse(argument, std::to_string(value), fmt::format("must be at most {}", kLargestSize));
  }
}

void require_size(const Argument& argument, const Size2D& value) {
  require_size(argument, value.h);
  require_size(argument, value.w);
}

void require_border(const Argument& argument, const Border1D& value) {
  for (const int64_t side : {value.before, value.after}) {
    if (side < 0 || side > kLargestSize) {
      refuse(argument, std::to_string(side), fmt::format("must be from 0 to {}", kLargestSize));
    }
  }
}

void require_border(const Argument& argument, const Border2D& value) {
  require_border(argument, value.h);
  require_border(argument, value.w);
}

void require_padding(const Argument& argument, const std::string& value) {
  if (value != "valid" && value != "same") {
    refuse(argument, in_quotes(value), "use \"valid\" or \"same\"");
  }
}

void require_causal_padding(const Argument& argument, const std::string& value) {
  if (value != "valid" && value != "same" && value != "causal") {
    refuse(argument, in_quotes(value), "use \"valid\", \"same\" or \"causal\"");
  }
}

void refuse_number(const Argument& argument, double value, const std::string& allowed) {
  refuse(argument, fmt::format("{:g}", value), allowed);
}

Config take_arguments(const Argument& argument, const std::string& function, const Config& given,
                      const std::vector<Parameter>& known) {
  for (const auto& [key, value] : given.entries()) {
    if (std::holds_alternative<std::monostate>(value)) continue;
    const auto found = std::ranges::find(known, key, &Parameter::key);
    if (found == known.end()) {
      std::string names;
      for (const Parameter& parameter : known) names += std::string(" ") + parameter.key;
      refuse(argument, in_quotes(function),
             fmt::format("has no \"{}\"; it takes{}", key, names.empty() ? " nothing" : names));
    }
    const ConfigValue typed = in_type(value, found->fallback);
    if (std::holds_alternative<std::monostate>(typed)) {
      refuse(argument, in_quotes(function),
             fmt::format("\"{}\" must be {}", key, type_of(found->fallback)));
    }
    if (!is_finite(typed)) {
      refuse(argument, in_quotes(function),
             fmt::format("\"{}\" must be finite as float32 (3.4e38 at most)", key));
    }
  }
  Config taken;
  for (const Parameter& parameter : known) {
    const ConfigValue* const value = given.find(parameter.key);
    if (value == nullptr || std::holds_alternative<std::monostate>(*value)) continue;
    ConfigValue typed = in_type(*value, parameter.fallback);
    if (typed != parameter.fallback) taken.set(parameter.key, std::move(typed));
  }
  return taken;
}

ActivationFunction get_activation(const Config& config, const std::string& key,
                                  const ActivationFunction& fallback) {
  ConfigObject object = get_object(config, key, fallback);
  return {std::move(object.name), std::move(object.arguments)};
}

Initializer get_initializer(const Config& config, const std::string& key,
                            const Initializer& fallback) {
  ConfigObject object = get_object(config, key, fallback);
  return {std::move(object.name), std::move(object.arguments)};
}

ConfigValue to_value(const ConfigObject& object) {
  if (object.arguments.entries().empty()) return object.name;
  return object;
}

int64_t get_axis(const Config& config, const std::string& key, int64_t fallback) {
  const ConfigValue* value = config.find(key);
  const auto* list = value == nullptr ? nullptr : std::get_if<std::vector<int64_t>>(value);
  if (list == nullptr) return config.get_int(key, fallback);
  if (list->size() == 1) return list->front();
  throw std::invalid_argument(
      fmt::format("\"{}\": Sluice normalizes one axis, not {}", key, list->size()));
}

std::vector<int64_t> get_axes(const Config& config, const std::string& key,
                              const std::vector<int64_t>& fallback) {
  const ConfigValue* value = config.find(key);
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) {
    return {std::get<int64_t>(*value)};
  }
  return config.get_ints(key, fallback);
}

ConfigValue axes_value(const std::vector<int64_t>& axes) {
  return axes.size() == 1 ? ConfigValue(axes.front()) : ConfigValue(axes);
}

Size2D get_size2d(const Config& config, const std::string& key, const Size2D& fallback) {
  const ConfigValue* value = config.find(key);
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) {
    return std::get<int64_t>(*value);
  }
  const std::vector<int64_t> sizes = config.get_ints(key, to_list(fallback));
  if (sizes.size() != 2) {
    throw std::invalid_argument(
        fmt::format("\"{}\": must be one or two numbers, got {}", key, Shape(sizes).to_string()));
  }
  return {sizes[0], sizes[1]};
}

int64_t get_size1d(const Config& config, const std::string& key, int64_t fallback) {
  const ConfigValue* value = config.find(key);
  if (value == nullptr || !std::holds_alternative<std::vector<int64_t>>(*value)) {
    return config.get_int(key, fallback);
  }
  const auto& sizes = std::get<std::vector<int64_t>>(*value);
  if (sizes.size() == 1) return sizes.front();
  throw std::invalid_argument(
      fmt::format("\"{}\": must be one number, got {}", key, Shape(sizes).to_string()));
}

std::vector<int64_t> to_list(const Size2D& size) { return {size.h, size.w}; }
std::vector<int64_t> to_list(int64_t size) { return {size}; }

Border1D get_border1d(const Config& config, const std::string& key, const Border1D& fallback) {
  const ConfigValue* value = config.find(key);
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) {
    return std::get<int64_t>(*value);
  }
  const std::vector<int64_t> sides = config.get_ints(key, to_list(fallback));
  if (sides.size() != 2) {
    throw std::invalid_argument(
        fmt::format("\"{}\": must be one or two numbers, got {}", key, Shape(sides).to_string()));
  }
  return {sides[0], sides[1]};
}

Border2D get_border2d(const Config& config, const std::string& key, const Border2D& fallback) {
  const ConfigValue* value = config.find(key);
  if (value != nullptr && !std::holds_alternative<std::vector<std::vector<int64_t>>>(*value)) {
    const Size2D sizes = get_size2d(config, key, 0);
    return {sizes.h, sizes.w};
  }
  const std::vector<std::vector<int64_t>> sides = config.get_lists(key, to_lists(fallback));
  if (sides.size() != 2 || sides[0].size() != 2 || sides[1].size() != 2) {
    throw std::invalid_argument(
        fmt::format("\"{}\": must be one or two numbers, or [[top, bottom], [left, right]]", key));
  }
  return {{sides[0][0], sides[0][1]}, {sides[1][0], sides[1][1]}};
}

std::vector<int64_t> to_list(const Border1D& border) { return {border.before, border.after}; }

std::vector<std::vector<int64_t>> to_lists(const Border2D& border) {
  return {to_list(border.h), to_list(border.w)};
}

void require_rank(const Layer& layer, int rank, const Shape& input) {
  if (input.rank() == rank) return;
  constexpr const char* kForms[] = {"", ", [F]", ", [T, C]", ", [H, W, C]"};
  throw_shape_error(
      layer,
      fmt::format("an input of rank {}{} (without the batch)", rank, rank < 4 ? kForms[rank] : ""),
      input);
}

int axis_of(const Layer& layer, int64_t axis, const Shape& shape) {
  const int64_t index = axis < 0 ? axis + shape.rank() : axis - 1;
  if (index >= 0 && index < shape.rank()) return static_cast<int>(index);
  throw_shape_error(layer,
                    axis == 0 || index == -1
                        ? fmt::format("axis {} not to be the batch", axis)
                        : fmt::format("an input with an axis {} (0 is the batch)", axis),
                    shape);
}

void require_countable(const Layer& layer, const std::string& what, const Shape& shape) {
  int64_t elements = 1;
  for (int64_t size : shape.dims()) {
    if (size < 1 || size > kMostElements / elements) {
      throw ShapeError(fmt::format("{} \"{}\": {} {}: no size may be 0 and none so large",
                                   layer.class_name(), layer.name(), what, shape.to_string()));
    }
    elements *= size;
  }
}

void throw_shape_error(const Layer& layer, const std::string& expected, const Shape& got) {
  throw ShapeError(fmt::format("{} \"{}\": expected {}, got {}", layer.class_name(), layer.name(),
                               expected, got.to_string()));
}

}  // namespace sluice::nn
