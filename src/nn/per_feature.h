// Numbers for each feature as layers' arguments (sluice/layers/per_feature.h).
#pragma once

#include <string>
#include <vector>

#include "nn/arguments.h"
#include "sluice/layers/per_feature.h"

namespace sluice::nn {

// Throws std::invalid_argument.
void require_finite(const Argument& argument, const PerFeature& numbers);
// Throws ShapeError, in `layer`'s name, for several that are not one for each feature.
void require_features(const Layer& layer, const PerFeature& numbers, const Shape& input);

// A number or a list of them; none where the key is absent or null.
PerFeature get_per_feature(const Config& config, const std::string& key);
// The reverse.
ConfigValue to_value(const PerFeature& numbers);

// `count` of them: one is repeated.
std::vector<float> floats_of(const PerFeature& numbers, size_t count);

}  // namespace sluice::nn
