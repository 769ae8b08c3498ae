// What Keras' files have in common beside weights.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hdf5_reader.h"
#include "sluice/model.h"

namespace sluice::formats {

// The layers, from a model's JSON and the version of Keras that wrote it, which may be unknown: "".
// Its weights are 0: they are to be read.
// Throws std::invalid_argument and ShapeError, and RuntimeError for a model that is not built.
Model read_keras_model(nlohmann::ordered_json model, const std::string& keras_version);

// Parses what somebody else wrote. Throws RuntimeError, with `what` in front.
nlohmann::ordered_json parse_json_of(std::string_view what, std::string_view text);

// The arrays "0", "1", ... of /optimizer/vars; none where there are none. Throws RuntimeError.
std::vector<const Hdf5Array*> stored_optimizer(Hdf5Reader& file);

// Takes over how the model was trained and the optimizer's variables, which `stored` returns. What
// does not fit is left out, and a warning logged.
void adopt_training(const nlohmann::ordered_json& config, Hdf5Reader& file,
                    const std::function<std::vector<const Hdf5Array*>()>& stored, Model& model);

// The optimizer's variables alone, of a model that has an optimizer.
void adopt_optimizer(Hdf5Reader& file, const std::function<std::vector<const Hdf5Array*>()>& stored,
                     Model& model);

// From what Preprocessing::to_json() wrote; logs a warning for what it did not write.
std::optional<Preprocessing> preprocessing_of(std::string_view json);

}  // namespace sluice::formats
