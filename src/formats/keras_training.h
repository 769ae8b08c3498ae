// How a model was trained, as Keras' files say it: "compile_config" in a .keras, "training_config"
// in an .h5.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "nn/training_state.h"
#include "sluice/model.h"

namespace sluice::formats {

// From either form; the optimizer's variables are not in it. Throws std::invalid_argument for
// losses that Sluice does not have, such as somebody's own. Metrics that it does not have are left
// out, and of such an optimizer it is adam, of the learning rate that adam has; a warning is
// logged.
nn::TrainingState read_keras_training(const nlohmann::ordered_json& config, const Model& model);

// The object for a .keras, or the one for an .h5. What Keras does not have (the metric
// confusion_matrix) is left out.
nlohmann::ordered_json write_compile_config(const nn::TrainingState& training, const Model& model);
// Null where Keras 2 would not load the whole file because of it: of an .h5 it makes its optimizers
// of before 2.11, which have no averages and no weight decay, and knows no AdamW and no Lion.
nlohmann::ordered_json write_training_config(const nn::TrainingState& training, const Model& model);

}  // namespace sluice::formats
