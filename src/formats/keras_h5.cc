// .h5: HDF5 with the layers and how they were trained in attributes of the root, as JSON, and the
// weights by layer under /model_weights. And weights alone.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/parameter_set.h"
#include "formats/hdf5_reader.h"
#include "formats/keras_files.h"
#include "formats/keras_state.h"
#include "formats/keras_weights.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPreprocessing = "sluice";

// Those of /optimizer_weights, in the order of the list of their names.
std::vector<const Hdf5Array*> optimizer_arrays(Hdf5Reader& file) {
  std::vector<const Hdf5Array*> arrays;
  const Hdf5Object* group = file.find(file.root(), "optimizer_weights");
  if (group == nullptr) return arrays;
  const std::vector<std::string> names = keras_names_at(file, *group, "weight_names");
  if (names.empty()) return arrays;
  // "Adam/iter:0" of older ones, whose slots come in another order.
  const std::string first = names.front().substr(names.front().rfind('/') + 1);
  if (first != "iteration" && first != "iteration:0") {
    throw RuntimeError("has the variables of an optimizer of Keras before 2.11");
  }
  for (const std::string& name : names) {
    const Hdf5Object* variable = file.find(*group, name);
    if (variable == nullptr || !variable->array) {
      throw RuntimeError(fmt::format("has no \"optimizer_weights/{}\"", name));
    }
    arrays.push_back(&*variable->array);
  }
  return arrays;
}

std::optional<Preprocessing> read_preprocessing(Hdf5Reader& file) {
  const std::optional<std::string> text = file.text(file.root(), kPreprocessing);
  return text ? preprocessing_of(*text) : std::nullopt;
}

}  // namespace

Model parse_h5(std::span<const char> bytes) {
  Hdf5Reader file(bytes);
  const std::optional<std::string> config = file.text(file.root(), "model_config");
  if (!config) {
    throw RuntimeError(
        "has no attribute \"model_config\", the layers: it holds weights alone, or is not of "
        "Keras; give the model that they belong to, and this file by --weights (in a program, "
        "load_weights())");
  }
  Model model = read_keras_model(parse_json_of("\"model_config\"", *config),
                                 file.text(file.root(), "keras_version").value_or(""));
  read_keras_weights(file, model);
  const std::optional<std::string> training = file.text(file.root(), "training_config");
  if (training) {
    adopt_training(
        parse_json_of("\"training_config\"", *training), file,
        [&] { return optimizer_arrays(file); }, model);
  }
  model.set_preprocessing(read_preprocessing(file));
  return model;
}

std::optional<Preprocessing> load_h5_weights(std::span<const char> bytes, Model& model) {
  Hdf5Reader file(bytes);
  const std::span<float> values = model.parameters().values();
  const std::vector<float> before(values.begin(), values.end());
  try {
    read_keras_weights(file, model);
  } catch (...) {
    std::ranges::copy(before, values.begin());
    throw;
  }
  adopt_optimizer(
      file, [&] { return stored_optimizer(file); }, model);
  return read_preprocessing(file);
}

}  // namespace sluice::formats
