#include "nn/keras_operations.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "nn/activations.h"
#include "nn/keras_json.h"
#include "nn/naming.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

struct LayerJson {
  std::string class_name;
  Json config;
};

// A call with what its arguments are.
struct Operation {
  std::string class_name;
  Json config;
  std::vector<Json> tensors;  // those of a list too
  Json number;                // null where there is none
  bool number_first = false;
  bool has_others = false;  // arguments that are neither
};

[[noreturn]] void refuse(const std::string& why) { throw std::invalid_argument(why); }

bool is_tensor(const Json& json) {
  return json.is_object() && json.value("class_name", Json()) == "__keras_tensor__";
}

// Its axes, the batch's among them; 0 where the file does not say.
int64_t rank_of(const Json& tensor) {
  const Json config = tensor.value("config", Json::object());
  return static_cast<int64_t>(config.is_object() ? config.value("shape", Json::array()).size() : 0);
}

void add_argument(const Json& json, Operation& operation) {
  if (is_tensor(json)) {
    operation.tensors.push_back(json);
  } else if (json.is_number() && operation.number.is_null()) {
    operation.number = json;
    operation.number_first = operation.tensors.empty();
  } else if (json.is_array() && !json.empty() && std::ranges::all_of(json, is_tensor)) {
    operation.tensors.insert(operation.tensors.end(), json.begin(), json.end());
  } else {
    operation.has_others = true;
  }
}

// Every setting must be one of those that are read; null or false is one that is not set.
void require_only(const Operation& operation, const std::set<std::string>& read) {
  for (const auto& [key, value] : operation.config.items()) {
    if (key == "name" || read.contains(key) || value.is_null() || value == false) continue;
    refuse(fmt::format("\"{}\" is set: Sluice does not have this", key));
  }
}

// Over all axes, the batch too, is what null means.
void refuse_null_axis(const Operation& operation) {
  const auto axis = operation.config.find("axis");
  if (axis != operation.config.end() && axis->is_null()) {
    refuse("axis = null: Sluice's layers leave the samples of a batch apart");
  }
}

// y = scale x + offset
LayerJson rescaling(double scale, double offset) {
  return {"Rescaling", {{"scale", scale}, {"offset", offset}}};
}

LayerJson with_number(const Operation& operation) {
  const double number = operation.number.get<double>();
  const std::string& name = operation.class_name;
  if (name == "Add") return rescaling(1, number);
  if (name == "Multiply") return rescaling(number, 0);
  if (name == "Subtract") {
    return operation.number_first ? rescaling(-1, number) : rescaling(1, -number);
  }
  const bool divides = name == "TrueDivide" || name == "Divide";
  if (divides && !operation.number_first && number != 0) return rescaling(1 / number, 0);
  if (name == "Maximum" && number == 0) return {"ReLU", Json::object()};
  refuse(fmt::format("Sluice has no layer for this operation with {}", operation.number.dump()));
}

// Layers line up the first axes of inputs with different ranks, operations the last.
LayerJson merge(const Operation& operation) {
  const int64_t rank = rank_of(operation.tensors.front());
  if (std::ranges::any_of(operation.tensors, [&](const Json& t) { return rank_of(t) != rank; })) {
    refuse("inputs of different ranks: Sluice does not have this");
  }
  return {operation.class_name, Json::object()};
}

// Over all axes between the batch and the channels.
LayerJson global_pooling(const Operation& operation) {
  require_only(operation, {"axis", "keepdims"});
  const Json axis = operation.config.value("axis", Json());
  const int64_t rank = rank_of(operation.tensors.front());
  std::set<int64_t> axes;
  for (const Json& one : axis.is_array() ? axis : Json::array({axis})) {
    const int64_t given = one.is_number_integer() ? one.get<int64_t>() : 0;
    axes.insert(given < 0 ? given + rank : given);
  }
  const bool of_sequence = rank == 3 && axes == std::set<int64_t>{1};
  const bool of_image = rank == 4 && axes == std::set<int64_t>{1, 2};
  if (!of_sequence && !of_image) {
    refuse(
        fmt::format("axis = {}: Sluice has this over all places of a sequence or an image, "
                    "axis = [1, 2]",
                    axis.dump()));
  }
  const char* kind = operation.class_name == "Mean" ? "Average" : "Max";
  return {fmt::format("Global{}Pooling{}D", kind, of_image ? 2 : 1),
          {{"keepdims", operation.config.value("keepdims", Json(false))}}};
}

// What is behind the batch in `key`, which must leave the batch where it is.
Json behind_batch(const Operation& operation, const char* key, const Json& batch) {
  const Json list = operation.config.value(key, Json());
  if (!list.is_array() || list.size() < 2 || (list.front() != batch && !list.front().is_null())) {
    refuse(fmt::format("{} = {}: Sluice's layers leave the batch in front, {} = [{}, ...]", key,
                       shown(list), key, batch.dump()));
  }
  Json rest = Json::array();
  for (size_t i = 1; i < list.size(); ++i) rest.push_back(list[i]);
  return rest;
}

LayerJson layer_of(const Operation& operation) {
  static const std::set<std::string> kMerges = {"Add", "Subtract", "Multiply", "Maximum",
                                                "Minimum"};
  const std::string& name = operation.class_name;
  const size_t tensors = operation.tensors.size();
  if (!operation.has_others && tensors == 1 && !operation.number.is_null()) {
    require_only(operation, {});
    return with_number(operation);
  }
  if (!operation.has_others && operation.number.is_null()) {
    if (kMerges.contains(name) && tensors == 2) {
      require_only(operation, {});
      return merge(operation);
    }
    if (name == "Concatenate" && tensors > 1) {
      refuse_null_axis(operation);
      return {name, operation.config};
    }
    if (tensors == 1) {
      if (name == "Negative") return rescaling(-1, 0);
      if (name == "Mean" || name == "Max") return global_pooling(operation);
      if (name == "Reshape") {
        require_only(operation, {"newshape"});
        return {name, {{"target_shape", behind_batch(operation, "newshape", -1)}}};
      }
      if (name == "Transpose") {
        require_only(operation, {"axes"});
        return {"Permute", {{"dims", behind_batch(operation, "axes", 0)}}};
      }
      const std::string function = name == "Exp" ? "exponential" : snake_case(name);
      if (is_activation(function)) {
        refuse_null_axis(operation);
        Json arguments = operation.config;
        arguments.erase("name");
        return {"Activation",
                {{"activation", {{"class_name", function}, {"config", std::move(arguments)}}}}};
      }
    }
  }
  refuse("Sluice has no layer for this operation of keras.ops");
}

}  // namespace

bool is_operation(const nlohmann::ordered_json& layer) {
  const Json module = layer.value("module", Json());
  if (module.is_string()) {
    return module.get<std::string>().starts_with("keras.src.ops.") ||
           module.get<std::string>().starts_with("keras.ops");
  }
  // Keras 3 leaves modules out in .h5, which it then cannot read itself. A layer's config says
  // whether it is trainable, or its dtype, or both, of which operations know nothing.
  const Json nodes = layer.value("inbound_nodes", Json());
  const Json config = layer.value("config", Json());
  return nodes.is_array() && !nodes.empty() && nodes[0].is_object() && nodes[0].contains("args") &&
         config.is_object() && !config.contains("dtype") && !config.contains("trainable");
}

nlohmann::ordered_json layer_of_operation(const nlohmann::ordered_json& json) {
  Operation operation{.class_name = json.at("class_name").get<std::string>(),
                      .config = json.at("config"),
                      .tensors = {},
                      .number = {}};
  const std::string name = read_name(json, read_name(operation.config, ""));
  try {
    const Json nodes = json.value("inbound_nodes", Json());
    if (!nodes.is_array() || nodes.size() != 1 || !nodes[0].is_object()) {
      refuse(fmt::format("\"inbound_nodes\": expected one call, got {}", shown(nodes)));
    }
    for (const Json& argument : nodes[0].value("args", Json::array())) {
      add_argument(argument, operation);
    }
    LayerJson layer = layer_of(operation);
    layer.config["name"] = name;
    return {
        {"class_name", layer.class_name},
        {"config", std::move(layer.config)},
        {"name", name},
        {"inbound_nodes", Json::array({{{"args", operation.tensors},
                                        {"kwargs", nodes[0].value("kwargs", Json::object())}}})}};
  } catch (const std::invalid_argument& error) {
    refuse(fmt::format("{} \"{}\": {}", operation.class_name, name, error.what()));
  }
}

}  // namespace sluice::nn
