// Files of models: which format one has, and reading and writing any of them.
//
// A format's own reader takes the bytes of a whole file and trusts none of them. Readers throw
// RuntimeError, one line that says what is wrong where, without the file's name, which is put
// before it here; std::invalid_argument and ShapeError for layers that Sluice does not have or that
// do not fit, as Model::from_json(). What a model holds beside layers and weights (Model::Impl's
// training and preprocessing) is read and written by the formats that have a place for it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

// For people: "Keras' .keras".
const char* name_of(Format format);

// The format that a file of this name is written in: by its ending, a folder's name ends with "/";
// kSluice for any that says nothing. INVALID_ARGUMENT for endings of formats that Sluice does not
// write.
Result<Format> format_of_name(const std::string& path);

// A file or folder that a model is to be written to, tried before it is needed.
class ModelOutput {
 public:
  // Throws std::invalid_argument for a name of a format that Sluice does not write.
  explicit ModelOutput(const std::string& path);

  Format format() const { return format_; }
  const std::string& path() const { return path_; }
  // Null of a folder.
  core::OutputFile* file() { return file_ ? &*file_ : nullptr; }
  const core::OutputFile* file() const { return file_ ? &*file_ : nullptr; }

  // As core::OutputFile; FAILED_PRECONDITION for a folder that is there.
  Status check() const;
  // Likewise, for as many bytes as the model takes; and INVALID_ARGUMENT for one that the format
  // cannot hold, such as a layer of the program's own where ONNX is asked for.
  Status check(const Model& model) const;
  Status open();
  Status write(const Model& model);

 private:
  const std::string path_;
  const Format format_;
  std::optional<core::OutputFile> file_;
};

struct ModelFile {
  Model model;
  Format format = Format::kSluice;
  bool has_weights = true;  // otherwise those of seed 0
};

// Any format that there is a reader for, told by the content. Throws RuntimeError for a file that
// cannot be read, is damaged or is no model's, also one that has weights alone;
// std::invalid_argument and ShapeError for layers; all name the file.
ModelFile read_model(const std::string& path);
// Of a file that has been read; `path` names it in messages, and says where other files lie that it
// names.
ModelFile parse_model(const std::string& path, std::span<const char> file);

// Takes the weights of a file into a model that has the same variables. Throws likewise; the model
// is then as it was.
void load_weights(const std::string& path, Model& model);

}  // namespace sluice::formats
