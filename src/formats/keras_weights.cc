#include "formats/keras_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "formats/keras_layers.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

// "dense_1/kernel" is "kernel" of the layer "dense_1".
std::string own_name(const core::Variable& variable) {
  return variable.name.substr(variable.name.rfind('/') + 1);
}

std::string shapes_of(const Variables& variables) {
  std::string text;
  for (const core::Variable* variable : variables) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", own_name(*variable),
                        variable->shape.to_string());
  }
  return text.empty() ? "none" : text;
}

[[noreturn]] void refuse_count(const Layer& layer, std::string_view place, size_t count,
                               const Variables& variables) {
  throw RuntimeError(
      fmt::format("has weights of another model: {} has {} of them at \"{}\", and "
                  "the model needs {}",
                  text_of(layer), count, place, shapes_of(variables)));
}

class WeightReader {
 public:
  WeightReader(Hdf5Reader& file, Model& model) : file_(file), model_(model) {}

  // Keras 3's form. 2.12 to 2.14 called the container by another name.
  void read_by_class() {
    const bool is_old = file_.root().members.contains("_layer_checkpoint_dependencies");
    const std::string container = is_old ? "_layer_checkpoint_dependencies" : "layers";
    const std::vector<StoredLayer> layers = stored_layers(model_, container);
    for (const StoredLayer& layer : layers) {
      const Hdf5Object* vars = file_.find(file_.root(), layer.path + "/vars");
      const size_t count = vars == nullptr ? 0 : vars->members.size();
      if (layer.variables.empty() && (count == 0 || has_only_integers(*vars))) continue;
      if (count != layer.variables.size()) {
        refuse_count(*layer.layer, layer.path, count, layer.variables);
      }
      for (size_t i = 0; i < count; ++i) {
        read(*layer.layer, *vars, std::to_string(i), layer.path + "/vars", *layer.variables[i]);
      }
    }
    check_nothing_left(layers, container);
  }

  // The older form: by the order of layers that have weights, whatever their names.
  void read_by_order(const Hdf5Object& group) {
    std::vector<std::string> names;
    for (const std::string& name : keras_names_at(file_, group, "layer_names")) {
      if (!keras_names_at(file_, layer_at(group, name), "weight_names").empty())
        names.push_back(name);
    }
    std::vector<LegacyLayer> layers = legacy_layers(model_);
    std::erase_if(layers, [](const LegacyLayer& layer) { return layer.variables.empty(); });
    if (layers.size() != names.size()) {
      throw RuntimeError(fmt::format(
          "has weights of another model: of {} layers, and the model has {} with weights{}",
          names.size(), layers.size(), names.empty() ? "" : "; its first is " + names.front()));
    }
    for (size_t k = 0; k < layers.size(); ++k) {
      const Hdf5Object& from = layer_at(group, names[k]);
      const std::vector<std::string> weights = keras_names_at(file_, from, "weight_names");
      const Variables& variables = layers[k].variables;
      if (weights.size() != variables.size()) {
        refuse_count(*layers[k].layer, names[k], weights.size(), variables);
      }
      for (size_t i = 0; i < weights.size(); ++i) {
        read(*layers[k].layer, from, weights[i], names[k], *variables[i]);
      }
    }
  }

 private:
  const Hdf5Object& layer_at(const Hdf5Object& group, const std::string& name) {
    const Hdf5Object* layer = file_.find(group, name);
    if (layer != nullptr) return *layer;
    throw RuntimeError(
        fmt::format("is damaged: it lists a layer \"{}\" that it does not have", name));
  }

  void read(const Layer& layer, const Hdf5Object& from, const std::string& name,
            const std::string& place, const core::Variable& variable) {
    const Hdf5Object* object = file_.find(from, name);
    if (object == nullptr || !object->array) {
      throw RuntimeError(fmt::format("has no \"{}/{}\", from which {} of {} would be read", place,
                                     name, own_name(variable), text_of(layer)));
    }
    const Hdf5Array& array = *object->array;
    if (array.space.is_empty || array.space.sizes != variable.shape.dims()) {
      throw RuntimeError(fmt::format(
          "has weights of another model: {} has {} at \"{}/{}\", and the model needs {} {}",
          text_of(layer), Shape(array.space.sizes).to_string(), place, name, own_name(variable),
          variable.shape.to_string()));
    }
    const std::span<float> to = model_.parameters().values_of(variable);
    if (is_bfloat16(*object)) {
      read_bfloat16(array, to);
    } else {
      file_.read(array, to);
    }
  }

  // As Keras 3 marks it: h5py writes the bytes as something of which HDF5 knows nothing.
  bool is_bfloat16(const Hdf5Object& object) {
    return object.array->type.kind == Hdf5Type::Kind::kOpaque && object.array->type.size == 2 &&
           file_.text(object, "dtype") == "bfloat16";
  }

  void read_bfloat16(Hdf5Array array, std::span<float> to) {
    array.type = {.kind = Hdf5Type::Kind::kFloat, .size = 2, .is_bfloat16 = true};
    file_.read(array, to);
  }

  // States of random number generators: ours are made of a job's seed.
  bool has_only_integers(const Hdf5Object& vars) {
    return std::ranges::all_of(vars.members, [&](const auto& member) {
      const Hdf5Object& object = file_.open(member.second);
      return object.array && object.array->type.kind == Hdf5Type::Kind::kInteger;
    });
  }

  // In the model's own container: a weight of a layer that the model does not have.
  void check_nothing_left(const std::vector<StoredLayer>& layers, const std::string& container) {
    const Hdf5Object* all = file_.find(file_.root(), container);
    if (all == nullptr) return;
    for (const auto& [name, address] : all->members) {
      const std::string path = container + "/" + name;
      const bool is_known = std::ranges::any_of(layers, [&](const StoredLayer& layer) {
        return layer.path == path || layer.path.starts_with(path + "/");
      });
      if (is_known) continue;
      const Hdf5Object* vars = file_.find(file_.open(address), "vars");
      if (vars == nullptr || has_only_integers(*vars)) continue;
      throw RuntimeError(fmt::format(
          "has weights of another model: {} of them at \"{}\", and the model has no such layer",
          vars->members.size(), path));
    }
  }

  Hdf5Reader& file_;
  Model& model_;
};

// Messages name layers and weights, and are one line.
std::vector<std::string> printable_texts(Hdf5Reader& file, const Hdf5Attribute& attribute,
                                         const std::string& name) {
  std::vector<std::string> texts = file.texts(attribute);
  for (const std::string& text : texts) {
    if (std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 127; })) {
      throw RuntimeError(fmt::format("is damaged: \"{}\" has control characters", name));
    }
  }
  return texts;
}

}  // namespace

std::vector<std::string> keras_names_at(Hdf5Reader& file, const Hdf5Object& object,
                                        const std::string& name) {
  const auto whole = object.attributes.find(name);
  if (whole != object.attributes.end()) return printable_texts(file, whole->second, name);
  std::vector<std::string> names;
  for (int i = 0;; ++i) {
    const auto part = object.attributes.find(fmt::format("{}{}", name, i));
    if (part == object.attributes.end()) return names;
    for (std::string& one : printable_texts(file, part->second, name)) {
      names.push_back(std::move(one));
    }
  }
}

void read_keras_weights(Hdf5Reader& file, Model& model) {
  WeightReader reader(file, model);
  const Hdf5Object& root = file.root();
  const auto lists_layers = [](const Hdf5Object& group) {
    return group.attributes.contains("layer_names") || group.attributes.contains("layer_names0");
  };
  if (lists_layers(root)) return reader.read_by_order(root);
  const Hdf5Object* of_model = file.find(root, "model_weights");
  if (of_model != nullptr) return reader.read_by_order(*of_model);
  const auto has = [&](const char* name) { return root.members.contains(name); };
  if (has("layers") || has("_layer_checkpoint_dependencies") || has("vars")) {
    return reader.read_by_class();
  }
  throw RuntimeError(
      "has no weights as Keras writes them: neither \"layers\" nor \"layer_names\" is there");
}

}  // namespace sluice::formats
