#include "nn/per_feature.h"

#include <fmt/core.h>

#include <cmath>
#include <stdexcept>

namespace sluice::nn {

void require_finite(const Argument& argument, const PerFeature& numbers) {
  for (const double number : numbers.values) {
    if (std::isfinite(static_cast<float>(number))) continue;
    throw std::invalid_argument(fmt::format("{}: {} = {}: must be a finite number",
                                            argument.layer_class, argument.name, number));
  }
}

void require_features(const Layer& layer, const PerFeature& numbers, const Shape& input) {
  const auto count = static_cast<int64_t>(numbers.values.size());
  if (count <= 1 || (input.rank() > 0 && input.dims().back() == count)) return;
  throw_shape_error(layer, fmt::format("an input of {} features on its last axis", count), input);
}

PerFeature get_per_feature(const Config& config, const std::string& key) {
  const ConfigValue* value = config.find(key);
  if (value == nullptr || std::holds_alternative<std::monostate>(*value)) return {};
  const bool is_number =
      std::holds_alternative<int64_t>(*value) || std::holds_alternative<double>(*value);
  if (is_number) return config.get_double(key, 0);
  return config.get_doubles(key, {});
}

ConfigValue to_value(const PerFeature& numbers) {
  if (numbers.values.empty()) return {};
  if (numbers.values.size() == 1) return numbers.values.front();
  return numbers.values;
}

std::vector<float> floats_of(const PerFeature& numbers, size_t count) {
  if (numbers.values.size() == 1) {
    return std::vector<float>(count, static_cast<float>(numbers.values.front()));
  }
  return {numbers.values.begin(), numbers.values.end()};
}

}  // namespace sluice::nn
