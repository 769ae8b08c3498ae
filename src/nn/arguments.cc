#include "nn/arguments.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "core/alternatives.h"
#include "nn/initializers.h"
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

struct ActivationName {
  const char* name;
  backend::Activation activation;
};
constexpr ActivationName kActivations[] = {{"linear", backend::Activation::kLinear},
                                           {"relu", backend::Activation::kRelu},
                                           {"sigmoid", backend::Activation::kSigmoid},
                                           {"tanh", backend::Activation::kTanh},
                                           {"softmax", backend::Activation::kSoftmax}};

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

backend::Activation parse_activation(const Argument& argument, const std::string& name) {
  for (const ActivationName& row : kActivations) {
    if (row.name == name) return row.activation;
  }
  const auto quoted = [](const ActivationName& row) { return in_quotes(row.name); };
  refuse(argument, in_quotes(name),
         fmt::format("use {} (in a program, also a CustomLayer)",
                     core::alternatives(kActivations, quoted)));
}

const char* name_of(backend::Activation activation) {
  const auto* const row = std::ranges::find(kActivations, activation, &ActivationName::activation);
  return row->name;
}

std::string parse_initializer(const Argument& argument, const std::string& name) {
  if (const Initializer* initializer = find_initializer(name)) return initializer->name;
  refuse(argument, in_quotes(name), "use one of " + initializer_names());
}

int64_t get_axis(const Config& config, const std::string& key, int64_t fallback) {
  const ConfigValue* value = config.find(key);
  const auto* list = value == nullptr ? nullptr : std::get_if<std::vector<int64_t>>(value);
  if (list == nullptr) return config.get_int(key, fallback);
  if (list->size() == 1) return list->front();
  throw std::invalid_argument(
      fmt::format("\"{}\": Sluice normalizes one axis, not {}", key, list->size()));
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
