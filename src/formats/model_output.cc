// Writing models.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include "core/suggestion.h"
#include "formats/checkpoint.h"
#include "formats/keras_files.h"
#include "formats/lowered_model.h"
#include "formats/model_file.h"
#include "formats/onnx_writer.h"
#include "formats/saved_model.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

struct Ending {
  std::string_view text;
  Format format;
};
// The longer ones first.
constexpr Ending kWritten[] = {
    {".weights.h5", Format::kWeightsH5},
    {".keras", Format::kKeras},
    {".h5", Format::kH5},
    {".hdf5", Format::kH5},
    {".json", Format::kJson},
    {".onnx", Format::kOnnx},
    {"/", Format::kSavedModel},
};
constexpr std::string_view kNotWritten[] = {".pb",  ".tflite",  ".pt",          ".pth", ".npy",
                                            ".npz", ".mlmodel", ".safetensors", ".tf",  ".pkl",
                                            ".zip", ".tar",     ".gz",          ".tgz", ".xml"};

// What headers and names take, about, beside the weights and the JSON.
constexpr uint64_t kRest = 64 << 10;

uint64_t bytes_of(Format format, const Model& model) {
  const core::ParameterSet& parameters = model.parameters();
  const std::string json = model.to_json();
  uint64_t floats = parameters.layout().size();
  if (format == Format::kJson) floats = 0;
  if (format == Format::kKeras && model.impl().training) {
    floats *= 1 + model.impl().training->optimizer_state.slots.size();
  }
  return format == Format::kSluice ? checkpoint_bytes(model)
                                   : floats * sizeof(float) + 2 * json.size() + kRest;
}

std::string bytes_as(Format format, const Model& model) {
  switch (format) {
    case Format::kKeras:
      return keras_bytes(model);
    case Format::kH5:
      return h5_bytes(model);
    case Format::kWeightsH5:
      return weights_h5_bytes(model);
    case Format::kOnnx:
      return onnx_bytes(model);
    default:
      return model.to_json() + "\n";
  }
}

Format format_or_throw(const std::string& path) {
  const Result<Format> format = format_of_name(path);
  if (!format.ok()) throw std::invalid_argument(format.status().message());
  return *format;
}

// `act`'s status, or what it throws as one.
template <typename Act>
Status status_of(const std::string& path, const Act& act) {
  try {
    return act();
  } catch (const std::invalid_argument& error) {
    return invalid_argument(fmt::format("cannot write {}: {}", path, error.what()));
  } catch (const RuntimeError& error) {
    return failed_precondition(fmt::format("cannot write {}: {}", path, error.what()));
  }
}

}  // namespace

const char* name_of(Format format) {
  switch (format) {
    case Format::kKeras:
      return "Keras' .keras";
    case Format::kH5:
      return "Keras' .h5";
    case Format::kWeightsH5:
      return "Keras' .weights.h5";
    case Format::kJson:
      return "Keras' JSON, without weights";
    case Format::kOnnx:
      return "ONNX";
    case Format::kSavedModel:
      return "TensorFlow's SavedModel";
    default:
      return "Sluice's checkpoint";
  }
}

Result<Format> format_of_name(const std::string& path) {
  std::string name = path;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Ending& ending : kWritten) {
    if (name.ends_with(ending.text)) return ending.format;
  }
  const std::string ending = std::filesystem::path(name).extension();
  const std::string stem = path.substr(0, path.size() - ending.size());
  const auto other = [&](const std::string& what) {
    return invalid_argument(fmt::format(
        "{}: {}; Sluice writes .keras, .h5, .weights.h5, .json, .onnx, a SavedModel to a name that "
        "ends with /, and under any other name a format of its own, such as {}.sluice",
        path, what, stem));
  };
  if (std::ranges::find(kNotWritten, ending) != std::end(kNotWritten)) {
    return other("Sluice does not write " + ending);
  }
  constexpr size_t kShortest = 4;  // ".h4" is a name like others
  std::vector<std::string> known;
  for (const Ending& each : kWritten) known.emplace_back(each.text);
  const std::string meant = ending == ".weights"        ? ".weights.h5"
                            : ending.size() < kShortest ? ""
                                                        : core::nearest(ending, known);
  if (!meant.empty() && ending != ".sluice") {
    return other(fmt::format("did you mean {}{}?", stem, meant));
  }
  return Format::kSluice;
}

ModelOutput::ModelOutput(const std::string& path) : path_(path), format_(format_or_throw(path)) {
  if (format_ != Format::kSavedModel) file_.emplace(path);
}

Status ModelOutput::check() const {
  return file_ ? file_->check() : check_saved_model_folder(path_, 0);
}

Status ModelOutput::check(const Model& model) const {
  if (format_ == Format::kOnnx || format_ == Format::kSavedModel) {
    SLUICE_RETURN_IF_ERROR(status_of(path_, [&] {
      (void)LoweredModel(model, name_of(format_));
      return ok_status();
    }));
  }
  const uint64_t bytes = bytes_of(format_, model);
  return file_ ? file_->check(bytes) : check_saved_model_folder(path_, bytes);
}

Status ModelOutput::open() { return file_ ? file_->open() : ok_status(); }

Status ModelOutput::write(const Model& model) {
  return status_of(path_, [&]() -> Status {
    if (!file_) return write_saved_model(path_, model);
    if (format_ == Format::kSluice) return write_checkpoint(*file_, model);
    const std::string bytes = bytes_as(format_, model);
    return file_->write({bytes});
  });
}

}  // namespace sluice::formats
