#include "formats/keras_state.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "core/json_text.h"
#include "core/log.h"
#include "formats/keras_optimizer.h"
#include "formats/keras_training.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::formats {

using Json = nlohmann::ordered_json;

Model read_keras_model(Json model, const std::string& keras_version) {
  // By which the reader tells Keras 2's hard_sigmoid from Keras 3's.
  if (model.is_object() && !keras_version.empty() && !model.contains("keras_version")) {
    model["keras_version"] = keras_version;
  }
  const nn::WithoutDrawing weights_follow;
  Model read = Model::from_json(core::json_text(model));
  if (read.built()) return read;
  throw RuntimeError(fmt::format("has the model \"{}\" without {}", read.name(),
                                 read.impl().layers.empty()
                                     ? "any layer behind its input"
                                     : "its input's shape: build it in Keras before it is saved"));
}

Json parse_json_of(std::string_view what, std::string_view text) {
  try {
    return core::parse_json(text);
  } catch (const std::invalid_argument& error) {
    throw RuntimeError(fmt::format("has no JSON in its {}: {}", what, error.what()));
  }
}

std::vector<const Hdf5Array*> stored_optimizer(Hdf5Reader& file) {
  const Hdf5Object* vars = file.find(file.root(), "optimizer/vars");
  std::vector<const Hdf5Array*> arrays;
  for (size_t i = 0; vars != nullptr && i < vars->members.size(); ++i) {
    const Hdf5Object* variable = file.find(*vars, std::to_string(i));
    if (variable == nullptr || !variable->array) {
      throw RuntimeError(fmt::format("has no \"optimizer/vars/{}\"", i));
    }
    arrays.push_back(&*variable->array);
  }
  return arrays;
}

void adopt_training(const Json& config, Hdf5Reader& file,
                    const std::function<std::vector<const Hdf5Array*>()>& stored, Model& model) {
  if (!config.is_object()) return;
  const auto is_absent = [&](const char* key) {
    return !config.contains(key) || config[key].is_null();
  };
  if (is_absent("optimizer") && is_absent("optimizer_config")) return;  // never compiled
  std::optional<nn::TrainingState>& training = model.impl().training;
  try {
    training = read_keras_training(config, model);
  } catch (const std::invalid_argument& error) {
    SLUICE_LOG(warn, "how the model was trained is left out: {}", error.what());
    return;
  }
  adopt_optimizer(file, stored, model);
}

void adopt_optimizer(Hdf5Reader& file, const std::function<std::vector<const Hdf5Array*>()>& stored,
                     Model& model) {
  std::optional<nn::TrainingState>& training = model.impl().training;
  if (!training) return;
  nn::TrainingState with_variables = *training;
  try {
    const std::vector<const Hdf5Array*> variables = stored();
    if (variables.empty()) return;
    read_optimizer_state(file, variables, model, with_variables);
    training = std::move(with_variables);
  } catch (const RuntimeError& error) {
    SLUICE_LOG(warn, "the optimizer begins anew: the file {}", error.what());
  } catch (const std::invalid_argument& error) {
    SLUICE_LOG(warn, "the optimizer begins anew: {}", error.what());
  }
}

std::optional<Preprocessing> preprocessing_of(std::string_view json) {
  try {
    return Preprocessing::from_json(json);
  } catch (const std::invalid_argument& error) {
    SLUICE_LOG(warn, "what was done to the records is left out: {}", error.what());
    return std::nullopt;
  }
}

}  // namespace sluice::formats
