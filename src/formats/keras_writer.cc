// Writing .keras, .h5 and .weights.h5.
#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json_text.h"
#include "core/log.h"
#include "core/parameter_set.h"
#include "formats/hdf5_writer.h"
#include "formats/keras_files.h"
#include "formats/keras_layers.h"
#include "formats/keras_optimizer.h"
#include "formats/keras_training.h"
#include "formats/zip_writer.h"
#include "nn/model_impl.h"
#include "optim/optimizer.h"

namespace sluice::formats {
namespace {

using Json = nlohmann::ordered_json;

// The forms here are read from this version on; it says what hard_sigmoid means where the model
// does not.
constexpr const char* kVersion = "3.0.0";

std::string dump(const Json& json) { return core::json_text(json); }

struct Architecture {
  Json model;
  std::string version;
};

// Throws ShapeError for a model that is not built.
Architecture architecture_of(const Model& model) {
  (void)model.output_shapes();
  Architecture architecture{core::parse_plain_json(model.to_json()), kVersion};
  if (architecture.model.contains("keras_version")) {
    architecture.version = architecture.model["keras_version"].get<std::string>();
  }
  return architecture;
}

size_t file_size(const Model& model) {
  size_t floats = model.count_params();
  if (const auto& training = model.impl().training) {
    floats += training->optimizer_state.slots.size() * model.count_params();
  }
  return sizeof(float) * floats;
}

// Keras 3's form. Keras 2 wants "vars" to be there, which are a model's own weights.
void write_by_class(Hdf5Writer& file, const Model& model) {
  file.add_group("vars");
  for (const StoredLayer& layer : stored_layers(model, "layers")) {
    file.add_group(layer.path + "/vars");
    for (size_t i = 0; i < layer.variables.size(); ++i) {
      const core::Variable& variable = *layer.variables[i];
      file.add_array(fmt::format("{}/vars/{}", layer.path, i), variable.shape,
                     model.parameters().values_of(variable));
    }
  }
}

float slot_start(const OptimizerSpec& optimizer, size_t slot) {
  return optim::slots_of(optimizer)[slot].initial_value;
}

void write_optimizer(Hdf5Writer& file, const nn::TrainingState& training, const Model& model) {
  const optim::OptimizerState& state = training.optimizer_state;
  std::vector<float> fresh;
  const auto values_of = [&](const OptimizerVariable& own) -> std::span<const float> {
    if (!state.slots.empty()) {
      const std::span<const float> all = state.slots[own.slot].second;
      return all.subspan(own.variable->offset, own.variable->size());
    }
    fresh.assign(own.variable->size(), slot_start(training.optimizer, own.slot));
    return fresh;
  };
  size_t i = 0;
  for (const OptimizerVariable& own :
       optimizer_variables(training.optimizer, model, KerasVersion::k3)) {
    const std::string path = fmt::format("optimizer/vars/{}", i++);
    using Kind = OptimizerVariable::Kind;
    if (own.kind == Kind::kIterations) {
      file.add_integer(path, state.iterations);
    } else if (own.kind == Kind::kLearningRate) {
      file.add_array(path, {}, {&training.optimizer.learning_rate.number, 1});
    } else if (own.kind == Kind::kProduct) {
      const float product = nadam_product(training.optimizer, state.iterations);
      file.add_array(path, {}, {&product, 1});
    } else {
      file.add_array(path, own.variable->shape, values_of(own));
    }
  }
}

// In one attribute, or, where it would be larger than HDF5 lets one be, in NAME0, NAME1, ...
void add_names(Hdf5Writer& file, const std::string& path, const std::string& name,
               const std::vector<std::string>& names) {
  constexpr size_t kMost = 4000;  // of 16 bytes each
  if (names.size() <= kMost) return file.add_texts(path, name, names);
  for (size_t begin = 0; begin < names.size(); begin += kMost) {
    const size_t end = std::min(begin + kMost, names.size());
    file.add_texts(path, fmt::format("{}{}", name, begin / kMost),
                   {names.begin() + static_cast<std::ptrdiff_t>(begin),
                    names.begin() + static_cast<std::ptrdiff_t>(end)});
  }
}

// Of layers, and of the Inputs of a model that is no Sequential, in Keras' order.
std::vector<std::string> layer_names(const Model& model) {
  const Model::Impl& impl = model.impl();
  std::vector<std::string> names;
  for (const size_t place : impl.order) {
    names.push_back(place < impl.inputs.size() ? impl.inputs[place].name
                                               : impl.layers[place - impl.inputs.size()]->name());
  }
  if (!impl.order.empty()) return names;
  for (const auto& layer : impl.layers) names.push_back(layer->name());
  return names;
}

void write_by_layer(Hdf5Writer& file, const Model& model, const std::string& version) {
  const std::string root = "model_weights";
  file.add_group(root);
  add_names(file, root, "layer_names", layer_names(model));
  file.add_text(root, "backend", "tensorflow");
  file.add_text(root, "keras_version", version);
  for (const LegacyLayer& layer : legacy_layers(model)) {
    const std::string group = root + "/" + layer.layer->name();
    file.add_group(group);
    std::vector<std::string> names;
    for (const core::Variable* variable : layer.variables) {
      names.push_back(variable->name + ":0");
      file.add_array(group + "/" + names.back(), variable->shape,
                     model.parameters().values_of(*variable));
    }
    add_names(file, group, "weight_names", names);
  }
  std::vector<std::string> without = {"top_level_model_weights"};
  if (!model.impl().is_sequential) {
    for (const auto& input : model.impl().inputs) without.push_back(input.name);
  }
  for (const std::string& name : without) {
    file.add_group(root + "/" + name);
    file.add_texts(root + "/" + name, "weight_names", {});
  }
}

void write_preprocessing(Hdf5Writer& file, const Model& model) {
  const auto& preprocessing = model.impl().preprocessing;
  if (preprocessing) file.add_text("", "sluice", preprocessing->to_json());
}

void write_weights(Hdf5Writer& file, const Model& model) {
  write_by_class(file, model);
  const auto& training = model.impl().training;
  if (training && training->optimizer_state.iterations > 0) {
    write_optimizer(file, *training, model);
  }
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d@%H:%M:%S", &parts);
  return text;
}

}  // namespace

std::string keras_bytes(const Model& model) {
  Architecture architecture = architecture_of(model);
  const auto& training = model.impl().training;
  if (training) architecture.model["compile_config"] = write_compile_config(*training, model);
  Hdf5Writer file(file_size(model));
  write_weights(file, model);
  const std::string weights = std::move(file).finish();
  const Json metadata = {{"keras_version", architecture.version}, {"date_saved", now()}};
  const std::string config = dump(architecture.model);

  ZipWriter archive(weights.size() + config.size());
  archive.add("metadata.json", dump(metadata));
  archive.add("config.json", config);
  archive.add("model.weights.h5", weights);
  const auto& preprocessing = model.impl().preprocessing;
  if (preprocessing) archive.add("sluice.json", preprocessing->to_json());
  return std::move(archive).finish();
}

std::string h5_bytes(const Model& model) {
  const Architecture architecture = architecture_of(model);
  Hdf5Writer file(sizeof(float) * model.count_params());
  file.add_text("", "keras_version", architecture.version);
  file.add_text("", "backend", "tensorflow");
  file.add_text("", "model_config", dump(architecture.model));
  const auto& training = model.impl().training;
  const Json config = training ? write_training_config(*training, model) : Json();
  if (!config.is_null()) file.add_text("", "training_config", dump(config));
  if (training && config.is_null()) {
    SLUICE_LOG(warn,
               "how the model was trained is left out of the .h5: Keras 2 could not load it with "
               "this optimizer; a .keras has it");
  }
  write_preprocessing(file, model);
  write_by_layer(file, model, architecture.version);
  return std::move(file).finish();
}

std::string weights_h5_bytes(const Model& model) {
  (void)model.output_shapes();
  Hdf5Writer file(file_size(model));
  write_weights(file, model);
  write_preprocessing(file, model);
  return std::move(file).finish();
}

}  // namespace sluice::formats
