// What layers that draw noise have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backend/graph.h"
#include "nn/arguments.h"
#include "sluice/layer.h"

namespace sluice::nn {

// At least 0 and below 1. Throws std::invalid_argument also where it is missing.
double checked_rate(const char* layer_class, const std::optional<double>& rate);

// A seed that is given or null.
std::optional<int64_t> get_seed(const Config& config);
ConfigValue seed_value(const std::optional<int64_t>& seed);
// Of the op; none: from the layer's name, so that two layers draw different noise.
uint64_t noise_seed(const Layer& layer, const std::optional<int64_t>& seed);

// Which axes, the batch first, share what is drawn, by a noise_shape with the batch: 1 along which
// they do, 0 or the input's size along which they do not. Throws ShapeError, in `layer`'s name, for
// a noise_shape that does not fit.
std::vector<bool> shared_axes(const Layer& layer, const std::vector<int64_t>& noise_shape,
                              const Shape& input);
// Throws std::invalid_argument for negative sizes.
void require_noise_shape(const Argument& argument, const std::vector<int64_t>& noise_shape);

}  // namespace sluice::nn
