// Model::from_json().
#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "core/json_text.h"
#include "nn/keras_functional.h"
#include "nn/keras_json.h"
#include "nn/keras_survey.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"
#include "sluice/layers/input.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

Json parse(std::string_view text) {
  if (text.starts_with("\x89HDF")) {
    throw std::invalid_argument("this is an HDF5 file, no JSON: load_model() reads it");
  }
  if (text.starts_with("PK\x03\x04")) {
    throw std::invalid_argument(
        "this is a zip archive, as .keras files are: load_model() reads it");
  }
  return core::parse_json(text);
}

// Keras 2 says batch_input_shape, on its InputLayer or on any first layer; Keras 3 batch_shape.
const Json* find_batch_shape(const Json& config) {
  for (const char* key : {"batch_input_shape", "batch_shape"}) {
    const auto found = config.find(key);
    if (found != config.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

// Of an Embedding's input, mostly. They come as float32, which holds those below 2^24.
bool is_of_whole_numbers(const Json& config) {
  static const std::set<std::string> kTypes = {"int8",  "uint8",  "int16", "uint16",
                                               "int32", "uint32", "int64"};
  const Json dtype = config.value("dtype", Json());
  return dtype.is_string() && kTypes.contains(dtype.get<std::string>());
}

// The first layer, when it is no InputLayer, may carry the input's shape; so may the model.
void add_implied_input(Sequential& model, const Json& model_config, const Json& first_layer) {
  if (const Json* shape = find_batch_shape(first_layer.at("config"))) {
    model.add(Input(nn::read_batch_shape(*shape)));
  } else if (model_config.is_object()) {
    const auto found = model_config.find("build_input_shape");
    if (found != model_config.end() && !found->is_null()) {
      model.add(Input(nn::read_batch_shape(*found)));
    }
  }
}

// Names Keras 2's hard_sigmoid, which is not that of Keras 3.
void mark_hard_sigmoid(Json& json) {
  for (auto& [key, value] : json.items()) {
    if (key == "activation" && value == "hard_sigmoid") value = "hard_sigmoid_keras2";
    if (value.is_structured()) mark_hard_sigmoid(value);
  }
}

// Forms in which others hand on what to_json() has written: JSON in a string of JSON, the attribute
// "model_config" of Keras' HDF5 files, TensorFlow.js' topology.
Json unwrapped(Json json) {
  std::string version;
  for (int i = 0; i < 4; ++i) {
    if (json.is_object() && json.value("keras_version", Json()).is_string()) {
      version = json["keras_version"].get<std::string>();
    }
    if (json.is_string()) {
      json = parse(json.get<std::string>());
    } else if (json.is_object() && !json.contains("class_name")) {
      const char* inner = json.contains("modelTopology") ? "modelTopology" : "model_config";
      if (!json.contains(inner)) break;
      Json taken = std::move(json[inner]);
      json = std::move(taken);
    } else {
      break;
    }
  }
  if (!json.is_object() || !json.contains("config") || !json.contains("class_name") ||
      !json["class_name"].is_string()) {
    throw std::invalid_argument(
        "expected what Keras' to_json() writes, an object with \"class_name\" and \"config\"");
  }
  if (version.starts_with("1.") || version.starts_with("2.")) mark_hard_sigmoid(json["config"]);
  return json;
}

Sequential read_sequential(const Json& config) {
  // Keras before 2.2 wrote the bare list of layers.
  const Json none;
  const Json& layers = config.is_object() && config.contains("layers") ? config["layers"]
                       : config.is_array()                             ? config
                                                                       : none;
  if (!layers.is_array()) {
    throw std::invalid_argument(fmt::format(
        "\"config\": expected an object with a list of \"layers\", got {}", nn::shown(config)));
  }
  Sequential model(config.is_object() ? nn::read_name(config, "sequential") : "sequential");
  Model::Impl& impl = model.impl();
  bool first = true;
  for (const Json& layer : layers) {
    nn::require_layer(layer);
    if (layer.at("class_name") == "InputLayer") {
      model.add(nn::read_input(layer.at("config")));
    } else {
      if (first) add_implied_input(model, config, layer);
      impl.name_and_append(nn::read_layer(layer));
      if (!impl.inputs.empty()) {
        impl.outputs = {impl.add_call(impl.layers.size() - 1, {impl.outputs.front()})};
      }
    }
    first = false;
  }
  // Of all layers at once: each add() would copy the weights of those before.
  if (!impl.calls.empty()) impl.append_weights(0);
  return model;
}

}  // namespace

Model nn::read_model(const nlohmann::ordered_json& root) {
  const std::string class_name = root.at("class_name").get<std::string>();
  if (nn::is_of_keras(root)) {
    if (class_name == "Sequential") return read_sequential(root.at("config"));
    if (class_name == "Functional" || class_name == "Model") {
      return nn::read_functional(root.at("config"));
    }
  }
  const std::string registered = root.value("registered_name", Json()).is_string()
                                     ? root["registered_name"].get<std::string>()
                                     : class_name;
  throw std::invalid_argument(
      fmt::format("this is a {} model; Sluice has Keras' Sequential and Functional", registered));
}

Input nn::read_input(const nlohmann::ordered_json& config) {
  const std::string name = nn::read_name(config, InputOptions().name);
  const auto refuse = [&](const std::string& what) {
    throw std::invalid_argument(fmt::format("InputLayer \"{}\": {}", name, what));
  };
  const Json* shape = find_batch_shape(config);
  if (shape == nullptr) refuse("has no shape");
  const std::string problem = is_of_whole_numbers(config) ? "" : nn::dtype_problem(config);
  if (!problem.empty()) refuse(problem);
  if (config.value("sparse", Json(false)) == true || config.value("ragged", Json(false)) == true) {
    refuse("Sluice has only dense inputs");
  }
  return Input(nn::read_batch_shape(*shape), {.name = name});
}

Model Model::from_json(std::string_view json) {
  try {
    const Json model = unwrapped(parse(json));
    nn::survey(model);
    return nn::read_model(model);
  } catch (const ShapeError&) {
    throw;
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("model JSON: ") + error.what());
  } catch (const Json::exception&) {
    throw std::invalid_argument("model JSON: not as Keras writes it");
  }
}

}  // namespace sluice
