#include "formats/keras_layers.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "core/check.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "nn/naming.h"
#include "nn/nested_model.h"

namespace sluice::formats {
namespace {

// A group's name in Keras, which leaves out of a class' name what is no letter of a word.
std::string group_of(const Layer& layer) {
  std::string name = class_of(layer);
  std::erase_if(name, [](unsigned char c) { return c < 128 && std::isalnum(c) == 0 && c != '_'; });
  return nn::snake_case(name);
}

size_t weights_of(const Model::Impl& impl, size_t layer) {
  return impl.layers[layer]->weights(impl.inputs_of(impl.call_of(layer)).front()).size();
}

// Goes through the layout as it was made: layer by layer, model within model.
class Walk {
 public:
  Walk(const core::ParameterLayout& layout, std::string_view container)
      : variables_(layout.variables()), container_(container) {}

  void visit(const Model& model, const std::string& prefix) {
    const Model::Impl& impl = model.impl();
    std::map<std::string, int> taken;
    for (size_t i = 0; i < impl.layers.size(); ++i) {
      const Layer& layer = *impl.layers[i];
      const std::string group = group_of(layer);
      const int number = taken[group]++;
      std::string path = fmt::format("{}{}/{}", prefix, container_, group);
      if (number > 0) path += fmt::format("_{}", number);
      if (const auto* nested = dynamic_cast<const nn::NestedModel*>(&layer)) {
        visit(nested->model(), path + "/");
        continue;
      }
      StoredLayer stored{&layer, std::move(path), {}};
      for (size_t n = weights_of(impl, i); n > 0; --n) {
        SLUICE_CHECK(next_ < variables_.size()) << "a weight that is not in the layout";
        stored.variables.push_back(&variables_[next_++]);
      }
      layers_.push_back(std::move(stored));
    }
  }

  std::vector<StoredLayer> take() && { return std::move(layers_); }

 private:
  const std::vector<core::Variable>& variables_;
  const std::string container_;
  size_t next_ = 0;
  std::vector<StoredLayer> layers_;
};

}  // namespace

std::string class_of(const Layer& layer) {
  const std::string name = layer.class_name();
  return name.substr(name.rfind('>') + 1);
}

std::vector<StoredLayer> stored_layers(const Model& model, std::string_view container) {
  Walk walk(model.parameters().layout(), container);
  walk.visit(model, "");
  return std::move(walk).take();
}

std::vector<LegacyLayer> legacy_layers(const Model& model) {
  const Model::Impl& impl = model.impl();
  const auto& variables = model.parameters().layout().variables();
  std::vector<LegacyLayer> layers;
  size_t next = 0;
  for (size_t i = 0; i < impl.layers.size(); ++i) {
    LegacyLayer layer{impl.layers[i].get(), {}};
    for (size_t n = weights_of(impl, i); n > 0; --n) layer.variables.push_back(&variables[next++]);
    std::stable_partition(
        layer.variables.begin(), layer.variables.end(),
        [&](const core::Variable* variable) { return nn::is_trained(model, *variable); });
    layers.push_back(std::move(layer));
  }
  return layers;
}

Variables trained_variables(const Model& model) {
  Variables trained;
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    if (nn::is_trained(model, variable)) trained.push_back(&variable);
  }
  return trained;
}

std::string text_of(const Layer& layer) {
  return fmt::format("{} \"{}\"", class_of(layer), layer.name());
}

}  // namespace sluice::formats
