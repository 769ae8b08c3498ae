#include "sluice/layers/reshape.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "nn/arguments.h"
#include "nn/graph_builder.h"

namespace sluice {

Reshape::Reshape(const ReshapeOptions& options)
    : Layer(options.name), target_shape_(options.target_shape) {
  const std::vector<int64_t>& sizes = target_shape_.dims();
  if (std::ranges::count(sizes, -1) > 1) {
    throw std::invalid_argument(fmt::format("Reshape: target_shape = {}: only one size may be -1",
                                            target_shape_.to_string()));
  }
  for (const int64_t size : sizes) {
    if (size != -1) nn::require_size({"Reshape", "target_shape"}, size);
  }
}

std::unique_ptr<Layer> Reshape::from_config(const Config& config) {
  nn::require_keys(config, {"target_shape"});
  return std::make_unique<Reshape>(
      ReshapeOptions{.target_shape = Shape(config.get_ints("target_shape", {}))});
}

Config Reshape::config() const { return Config().set("target_shape", target_shape_.dims()); }

Shape Reshape::output_shape(const Shape& input) const {
  std::vector<int64_t> sizes = target_shape_.dims();
  int64_t known = 1;
  for (const int64_t size : sizes) {
    if (size == -1) continue;
    known *= size;
    // Before the product is too large for a number.
    if (known > input.size()) break;
  }
  const auto open = std::ranges::find(sizes, -1);
  const bool fits = open == sizes.end() ? known == input.size() : input.size() % known == 0;
  if (!fits) {
    nn::throw_shape_error(*this, "an input that fits " + target_shape_.to_string(), input);
  }
  if (open != sizes.end()) *open = input.size() / known;
  return Shape(sizes);
}

void Reshape::lower(nn::GraphBuilder& builder) const {
  builder.append(backend::ReshapeOp{}, output_shape(builder.shape()));
}

}  // namespace sluice
