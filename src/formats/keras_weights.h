// Weights from Keras' HDF5 files: .weights.h5, the member model.weights.h5 of a .keras, and what an
// .h5 has under /model_weights or, as K2's save_weights() wrote it, at its root.
#pragma once

#include <string>
#include <vector>

#include "formats/hdf5_reader.h"
#include "sluice/model.h"

namespace sluice::formats {

// From whichever form the file has. Throws RuntimeError, naming the layer, for weights whose shapes
// or number are not the model's; its weights may then be partly the file's.
void read_keras_weights(Hdf5Reader& file, Model& model);

// The texts of an attribute, or, where they were too many for one, of NAME0, NAME1, ...
std::vector<std::string> keras_names_at(Hdf5Reader& file, const Hdf5Object& object,
                                        const std::string& name);

}  // namespace sluice::formats
