#include "nn/keras_functional.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "nn/keras_json.h"
#include "nn/keras_operations.h"
#include "nn/model_impl.h"
#include "nn/nested_model.h"

namespace sluice::nn {
namespace {

using Json = nlohmann::ordered_json;

// Where an input comes from.
struct Reference {
  std::string layer;
  size_t call = 0;

  auto operator<=>(const Reference&) const = default;
};

[[noreturn]] void fail(const std::string& what, const Json& got) {
  throw std::invalid_argument(fmt::format("{}, got {}", what, shown(got)));
}

// ["conv2d", 0, 0], with more behind it in Keras 2.
bool is_reference(const Json& json) {
  return json.is_array() && json.size() >= 3 && json[0].is_string() &&
         json[1].is_number_unsigned() && json[2].is_number_unsigned();
}

Reference read_reference(const Json& json) {
  if (!is_reference(json)) fail("expected [\"LAYER\", 0, 0]", json);
  if (json[2] != 0) {
    throw std::invalid_argument(fmt::format("output {} of \"{}\": Sluice's layers have one",
                                            json[2].dump(), json[0].get<std::string>()));
  }
  if (json.size() > 3 && !json[3].empty())
    fail("a call: Sluice's layers take nothing else", json[3]);
  return {json[0].get<std::string>(), json[1].get<size_t>()};
}

// A dictionary's values in the order of its keys, in which Keras too makes a list of it.
std::map<std::string, Json> sorted(const Json& dictionary) {
  std::map<std::string, Json> values;
  for (const auto& [key, value] : dictionary.items()) values.emplace(key, value);
  return values;
}

// The keys of a dictionary of ends, in the order of read_ends(); none of a list.
std::vector<std::string> read_keys(const Json& ends) {
  std::vector<std::string> keys;
  if (!ends.is_object()) return keys;
  for (const auto& [key, end] : sorted(ends)) keys.push_back(key);
  return keys;
}

// The names by which a model inside takes a dictionary, in the order of its inputs: those of its
// own dictionary or, where it has a list, its inputs' names. None of layers.
std::vector<std::string> input_keys(const Json& layer) {
  const Json inputs = layer["config"].value("input_layers", Json());
  std::vector<std::string> keys = read_keys(inputs);
  if (is_reference(inputs)) {
    keys.push_back(read_reference(inputs).layer);
  } else if (inputs.is_array()) {
    for (const Json& input : inputs) keys.push_back(read_reference(input).layer);
  }
  return keys;
}

// All inputs among Keras 3's arguments, in their order; those of a dictionary in that of `keys`.
void collect_tensors(const Json& json, const std::vector<std::string>& keys,
                     std::vector<Reference>& references) {
  if (json.is_object() && json.value("class_name", Json()) == "__keras_tensor__") {
    const Json config = json.value("config", Json::object());
    references.push_back(read_reference(config.value("keras_history", Json())));
  } else if (json.is_array()) {
    for (const Json& item : json) collect_tensors(item, keys, references);
  } else if (json.is_object() && json.size() == keys.size() &&
             std::ranges::all_of(keys, [&](const auto& key) { return json.contains(key); })) {
    for (const std::string& key : keys) collect_tensors(json[key], keys, references);
  } else {
    fail("a call: Sluice's layers take nothing but other layers' outputs", json);
  }
}

// A mask, of a model with several inputs one for each: [null, null].
bool is_switched_off(const Json& value) {
  if (value.is_structured()) return std::ranges::all_of(value, is_switched_off);
  return value.is_null() || value == false;
}

std::vector<Reference> read_call(const Json& node, const std::vector<std::string>& keys) {
  std::vector<Reference> references;
  if (node.is_object()) {
    collect_tensors(node.value("args", Json::array()), keys, references);
    const Json options = node.value("kwargs", Json::object());
    for (const auto& [name, value] : options.items()) {
      if (!is_switched_off(value)) {
        fail(fmt::format("a call with \"{}\": Sluice does not have this", name), value);
      }
    }
  } else if (node.is_array()) {
    for (const Json& input : node) references.push_back(read_reference(input));
  }
  if (references.empty()) fail("a call: expected its inputs", node);
  return references;
}

// Where a model begins or ends: places, in a list or by names, or a single one without brackets
// around it.
std::vector<Reference> read_ends(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || !found->is_structured() || found->empty()) {
    throw std::invalid_argument(fmt::format("\"{}\": expected a list with at least one", key));
  }
  if (is_reference(*found)) return {read_reference(*found)};
  std::vector<Reference> ends;
  if (found->is_object()) {
    for (const auto& [name, end] : sorted(*found)) ends.push_back(read_reference(end));
  } else {
    for (const Json& end : *found) ends.push_back(read_reference(end));
  }
  return ends;
}

bool is_functional(const Layer& layer) {
  const auto* nested = dynamic_cast<const NestedModel*>(&layer);
  return nested != nullptr && !nested->model().impl().is_sequential;
}

struct Called {
  std::string name;
  std::unique_ptr<Layer> layer;
  bool is_keras2 = false;
  std::vector<std::vector<Reference>> calls;  // where the inputs of each come from
  size_t done = 0;                            // of them
};

// Calls layers until all have been, whatever their order in the file.
class Caller {
 public:
  void add(const Json& written) {
    require_layer(written);
    const Json json = is_operation(written) ? layer_of_operation(written) : written;
    const std::string name = read_name(json, read_name(json["config"], ""));
    if (!names_.insert(name).second) {
      throw std::invalid_argument(fmt::format("\"layers\": two named \"{}\"", name));
    }
    if (json["class_name"] == "InputLayer") {
      values_.emplace(Reference{name, 0}, read_input(json["config"]));
      return;
    }
    Called called{.name = name, .layer = read_layer(json), .calls = {}};
    try {
      const Json nodes = json.value("inbound_nodes", Json::array());
      if (!nodes.is_array() || nodes.empty()) fail("\"inbound_nodes\": expected its calls", nodes);
      called.is_keras2 = nodes.front().is_array() && !is_written_here(json);
      const std::vector<std::string> keys = input_keys(json);
      for (const Json& node : nodes) called.calls.push_back(read_call(node, keys));
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(
          fmt::format("{} \"{}\": {}", json["class_name"].get<std::string>(), name, error.what()));
    }
    layers_.push_back(std::move(called));
  }

  // A model inside a model has been called once when it was made. Keras 2 counts that call, so that
  // the others count from 1; Keras 3 counts it where it names the outputs of the model around, and
  // not where it names what a layer takes. Of a Sequential Keras 3 never does, and Keras 2 where
  // it was built: then there is a number behind the last, which is always taken or given.
  void number_calls(const std::vector<Reference>& outputs) {
    const std::set<Reference> given(outputs.begin(), outputs.end());
    std::set<Reference> taken;
    for (const Called& called : layers_) {
      for (const auto& call : called.calls) taken.insert(call.begin(), call.end());
    }
    for (const Called& called : layers_) {
      if (dynamic_cast<const NestedModel*>(called.layer.get()) == nullptr) continue;
      const Reference first{called.name, 0}, beyond_last{called.name, called.calls.size()};
      const bool all_from_one = taken.contains(beyond_last) || given.contains(beyond_last);
      const bool is_function = is_functional(*called.layer);
      if (is_function ? !given.contains(first) : all_from_one) {
        given_from_one_.insert(called.name);
      }
      if (is_function ? called.is_keras2 && !taken.contains(first) : all_from_one) {
        taken_from_one_.insert(called.name);
      }
    }
  }

  void call_all() {
    for (bool progress = true; progress;) {
      progress = false;
      for (Called& called : layers_) progress = call_next(called) || progress;
    }
    for (const Called& called : layers_) {
      if (called.done == called.calls.size()) continue;
      for (const Reference& input : called.calls[called.done]) {
        if (values_.contains(from_zero(input, taken_from_one_))) continue;
        throw std::invalid_argument(
            fmt::format("layer \"{}\" takes call {} of \"{}\", which is not there or depends on it",
                        called.name, input.call, input.layer));
      }
    }
  }

  // An input of the model around, or an output.
  const SymbolicTensor& value(const Reference& reference) const {
    const auto found = values_.find(from_zero(reference, given_from_one_));
    if (found != values_.end()) return found->second;
    throw std::invalid_argument(
        fmt::format("there is no call {} of a layer \"{}\"", reference.call, reference.layer));
  }

 private:
  bool call_next(Called& called) {
    if (called.done == called.calls.size()) return false;
    std::vector<SymbolicTensor> inputs;
    for (const Reference& input : called.calls[called.done]) {
      const auto found = values_.find(from_zero(input, taken_from_one_));
      if (found == values_.end()) return false;
      inputs.push_back(found->second);
    }
    values_.emplace(Reference{called.name, called.done}, (*called.layer)(inputs));
    ++called.done;
    return true;
  }

  // What write_functional() writes of a model inside a model.
  static bool is_written_here(const Json& json) {
    return json["class_name"] == "Model" && json.value("module", Json()) == "keras";
  }

  static Reference from_zero(const Reference& reference, const std::set<std::string>& from_one) {
    const bool shifted = reference.call > 0 && from_one.contains(reference.layer);
    return {reference.layer, reference.call - (shifted ? 1 : 0)};
  }

  std::set<std::string> names_;
  std::map<Reference, SymbolicTensor> values_;
  std::vector<Called> layers_;
  // Models inside, whose calls count from 1 where layers take them, and where the outputs are.
  std::set<std::string> taken_from_one_, given_from_one_;
};

class ReadModel : public Model {
 public:
  using Model::Model;
  Model with_keys(std::vector<std::string> inputs, std::vector<std::string> outputs) && {
    impl_->input_keys = std::move(inputs);
    impl_->output_keys = std::move(outputs);
    return std::move(static_cast<Model&>(*this));
  }
};

}  // namespace

Model read_functional(const nlohmann::ordered_json& config) {
  const Json layers = config.is_object() ? config.value("layers", Json()) : Json();
  if (!layers.is_array()) fail("\"config\": expected an object with a list of \"layers\"", config);
  Caller caller;
  for (const Json& layer : layers) caller.add(layer);
  const auto outputs = read_ends(config, "output_layers");
  caller.number_calls(outputs);
  caller.call_all();
  const auto values_of = [&](const std::vector<Reference>& ends) {
    std::vector<SymbolicTensor> values;
    for (const Reference& end : ends) values.push_back(caller.value(end));
    return values;
  };
  return ReadModel(values_of(read_ends(config, "input_layers")), values_of(outputs),
                   read_name(config, "functional"))
      .with_keys(read_keys(config["input_layers"]), read_keys(config["output_layers"]));
}

nlohmann::ordered_json write_functional(const Model& model) {
  const Model::Impl& impl = model.impl();
  // Each value's layer and the number of that layer's call.
  std::vector<Json> places;
  for (const Model::Impl::InputValue& input : impl.inputs) {
    places.push_back(Json::array({input.name, 0, 0}));
  }
  std::vector<Json> nodes(impl.layers.size(), Json::array());
  for (const Model::Impl::Call& call : impl.calls) {
    Json node = Json::array();
    for (const Model::Impl::Value value : call.inputs) {
      node.push_back(places[value]);
      node.back().push_back(Json::object());
    }
    Json& of_layer = nodes[call.layer];
    places.push_back(Json::array({impl.layers[call.layer]->name(), of_layer.size(), 0}));
    of_layer.push_back(std::move(node));
  }
  Json layers = Json::array();
  const auto add = [&layers](Json layer, const std::string& name, Json inbound_nodes) {
    layer["name"] = name;
    layer["inbound_nodes"] = std::move(inbound_nodes);
    layers.push_back(std::move(layer));
  };
  for (const size_t place : impl.order) {
    if (place < impl.inputs.size()) {
      const Model::Impl::InputValue& input = impl.inputs[place];
      add(write_input(input.shape, input.name), input.name, Json::array());
      continue;
    }
    const size_t i = place - impl.inputs.size();
    add(write_layer(*impl.layers[i]), impl.layers[i]->name(), std::move(nodes[i]));
  }
  // As Keras 3 counts (number_calls()), which differs from what layers take.
  for (size_t i = 0; i < impl.calls.size(); ++i) {
    if (!is_functional(*impl.layers[impl.calls[i].layer])) continue;
    Json& call = places[impl.inputs.size() + i][1];
    call = call.get<size_t>() + 1;
  }
  // A single one without brackets around it: Keras 3 takes a list to mean that the model gives one.
  const auto places_of = [&](const auto& values, const std::vector<std::string>& keys) {
    if (keys.size() == values.size()) {
      Json dictionary = Json::object();
      for (size_t i = 0; i < keys.size(); ++i) dictionary[keys[i]] = places[values[i]];
      return dictionary;
    }
    if (values.size() == 1) return places[values.front()];
    Json list = Json::array();
    for (const Model::Impl::Value value : values) list.push_back(places[value]);
    return list;
  };
  std::vector<Model::Impl::Value> inputs(impl.inputs.size());
  std::iota(inputs.begin(), inputs.end(), Model::Impl::Value{0});
  return {{"name", impl.name},
          {"trainable", true},
          {"layers", layers},
          {"input_layers", places_of(inputs, impl.input_keys)},
          {"output_layers", places_of(impl.outputs, impl.output_keys)}};
}

}  // namespace sluice::nn
