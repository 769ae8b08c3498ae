// Models as TensorFlow's SavedModel, a folder that tf.saved_model.load() and TensorFlow Serving
// run:
//
//   FOLDER/saved_model.pb             the graph, its weights frozen in it, with the tag "serve"
//   FOLDER/assets.extra/sluice.json   what the dataset did to its records, where that is known
//                                     (sluice/preprocessing.h)
//
// The signature "serving_default" takes and gives float32 by the model's own names, channels last,
// any number of samples.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::formats {

// saved_model.pb. Throws as onnx_bytes() (onnx_writer.h).
std::string saved_model_bytes(const Model& model);

// Whether write_saved_model() can be expected to work for a graph of so many bytes: tries it next
// to the folder, or where the first of those around it is missing, and removes what it has made.
// FAILED_PRECONDITION: there is something already.
Status check_saved_model_folder(const std::string& folder, uint64_t bytes);

// Writes a folder next to it and renames that, so that it is whole or absent; those around it are
// made where they are missing. Throws as saved_model_bytes(). FAILED_PRECONDITION where there is
// something already, which stays as it is; otherwise as core::file_error().
Status write_saved_model(const std::string& folder, const Model& model);

}  // namespace sluice::formats
