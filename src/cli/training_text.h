// How a model is trained, for people.
#pragma once

#include <string>

#include "sluice/losses.h"
#include "sluice/optimizers.h"

namespace sluice::cli {

// "sparse_categorical_crossentropy(from_logits=True)": the name, with the options that are not
// Keras' defaults.
std::string text_of(const LossSpec& loss);
// "sgd, learning rate 0.5, momentum 0.9": likewise.
std::string text_of(const OptimizerSpec& optimizer);

}  // namespace sluice::cli
