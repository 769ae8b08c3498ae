// Keras' files, both ways: .keras (Keras 3, and 2 from 2.15 on), .h5 (Keras 2 and 3) and
// .weights.h5. What is written here is read by Keras 2 and 3, with the same weights.
//
// Beside layers and weights a file may have how the model was trained, its optimizer's variables
// (a .keras, and read from an .h5), and, as an extra member "sluice.json" or an attribute "sluice"
// that Keras passes over, what a dataset did to the records (sluice/preprocessing.h). What cannot
// be read of these, such as somebody's own loss, is left out, and a warning is logged.
//
// Errors: formats/model_file.h. Source: keras/src/saving/saving_lib.py and
// keras/src/legacy/saving/legacy_h5_format.py of Keras 3.15.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "sluice/model.h"

namespace sluice::formats {

Model parse_keras(std::span<const char> file);
Model parse_h5(std::span<const char> file);
// Weights alone, into a model that is there, from a .weights.h5 or any .h5; the optimizer's
// variables too where both have them, as Keras does. Returns what the file says of its dataset. The
// model is as it was when this throws.
std::optional<Preprocessing> load_h5_weights(std::span<const char> file, Model& model);

// The bytes of a file. Throws ShapeError for a model that is not built, and RuntimeError where
// libhdf5 will not write it.
std::string keras_bytes(const Model& model);
// Without the optimizer's variables: Keras 3 makes a model that cannot be trained of an .h5 that
// has them. Where Keras 2 has no such optimizer, without how the model was trained (with a
// warning).
std::string h5_bytes(const Model& model);
std::string weights_h5_bytes(const Model& model);

}  // namespace sluice::formats
