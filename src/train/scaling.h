// Models that do themselves what a dataset may have done already.
#pragma once

#include <optional>
#include <string>

#include "data/records.h"
#include "sluice/model.h"

namespace sluice::train {

// The name of a layer behind an input that brings values as they are stored, such as bytes, to the
// range that a network learns from: one that makes smaller numbers of them, or takes off more than
// 2. Keras: Rescaling(1 / 255), Normalization. Layers of models inside count, and what only moves
// values may stand before it.
std::optional<std::string> scaling_layer(const Model& model);

// What such a layer would do a second time to these records, in words. None where there is no such
// layer, where records come as they are stored, or where the model says what its dataset did.
std::optional<std::string> scaled_twice(const Model& model, const data::RecordsInfo& info);

// Logs a warning of it, once for a model.
void warn_of_scaling(const Model& model, const data::RecordsInfo& info);

}  // namespace sluice::train
