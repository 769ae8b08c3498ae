// Files of models: which format one has, and reading and writing any of them.
//
// A format's own reader takes the bytes of a whole file and trusts none of them. Readers throw
// RuntimeError, one line that says what is wrong where, without the file's name, which is put
// before it here; std::invalid_argument and ShapeError for layers that Sluice does not have or that
// do not fit, as Model::from_json(). What a model holds beside layers and weights (Model::Impl's
// training and preprocessing) is read and written by the formats that have a place for it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/atomic_file.h"
#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::formats {

enum class Format {
  kSluice,      // checkpoint.h
  kKeras,       // .keras, Keras 3's zip
  kH5,          // .h5, Keras' older file of a whole model
  kWeightsH5,   // .weights.h5: Keras 3's weights alone
  kJson,        // Keras' model.to_json(): no weights
  kOnnx,        // .onnx
  kSavedModel,  // a folder for TensorFlow, which is only written
};

// The format that a file of this name is written in: by its ending, a folder's name ends with "/";
// kSluice for any that says nothing. INVALID_ARGUMENT for endings of formats that Sluice does not
// write.
Result<Format> format_of_name(const std::string& path);

}  // namespace sluice::formats
