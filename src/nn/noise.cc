#include "nn/noise.h"

#include <fmt/core.h>

#include <sstream>
#include <stdexcept>

#include "core/rng.h"
#include "nn/arguments.h"

namespace sluice::nn {

double checked_rate(const char* layer_class, const std::optional<double>& rate) {
  if (!rate) {
    throw std::invalid_argument(fmt::format("{}: rate: missing; it has no default", layer_class));
  }
  if (*rate >= 0 && static_cast<float>(*rate) < 1) return *rate;
  std::ostringstream message;
  message << layer_class << ": rate = " << *rate << ": must be at least 0 and less than 1";
  throw std::invalid_argument(message.str());
}

std::optional<int64_t> get_seed(const Config& config) {
  const ConfigValue* seed = config.find("seed");
  if (seed == nullptr || std::holds_alternative<std::monostate>(*seed)) return std::nullopt;
  return config.get_int("seed", 0);
}

ConfigValue seed_value(const std::optional<int64_t>& seed) {
  return seed ? ConfigValue(*seed) : ConfigValue();
}

uint64_t noise_seed(const Layer& layer, const std::optional<int64_t>& seed) {
  const std::string& name = layer.name();
  return seed ? static_cast<uint64_t>(*seed) : core::stream_of(name.data(), name.size());
}

void require_noise_shape(const Argument& argument, const std::vector<int64_t>& noise_shape) {
  for (const int64_t size : noise_shape) {
    if (size != 0) require_size(argument, size);
  }
}

std::vector<bool> shared_axes(const Layer& layer, const std::vector<int64_t>& noise_shape,
                              const Shape& input) {
  if (noise_shape.empty()) return {};
  std::vector<bool> shared;
  for (size_t k = 0; k < noise_shape.size(); ++k) {
    const int64_t size = noise_shape[k];
    const bool fits = size == 0 || size == 1 ||
                      (k > 0 && k <= input.dims().size() && size == input.dims()[k - 1]);
    if (!fits || noise_shape.size() != input.dims().size() + 1) {
      throw_shape_error(
          layer,
          fmt::format("an input that noise_shape {} fits (the batch first, as 1 or 0 for any)",
                      Shape(noise_shape).to_string()),
          input);
    }
    shared.push_back(size == 1);
  }
  return shared;
}

}  // namespace sluice::nn
