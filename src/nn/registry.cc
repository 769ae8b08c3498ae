#include "nn/registry.h"

#include <fmt/core.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "core/suggestion.h"
#include "sluice/layers.h"

namespace sluice {
namespace {

// Of a layer that has no settings.
template <typename LayerType>
std::unique_ptr<Layer> make_plain(const Config&) {
  return std::make_unique<LayerType>();
}

const std::map<std::string, LayerFactory>& own_layers() {
  static const std::map<std::string, LayerFactory> layers = {
      {"Activation", Activation::from_config},
      {"ActivityRegularization", ActivityRegularization::from_config},
      {"Add", make_plain<Add>},
      {"AlphaDropout", AlphaDropout::from_config},
      {"Average", make_plain<Average>},
      {"AveragePooling1D", AveragePooling1D::from_config},
      {"AveragePooling2D", AveragePooling2D::from_config},
      {"BatchNormalization", BatchNormalization::from_config},
      {"Concatenate", Concatenate::from_config},
      {"Conv1D", Conv1D::from_config},
      {"Conv1DTranspose", Conv1DTranspose::from_config},
      {"Conv2D", Conv2D::from_config},
      {"Conv2DTranspose", Conv2DTranspose::from_config},
      {"Cropping1D", Cropping1D::from_config},
      {"Cropping2D", Cropping2D::from_config},
      {"Dense", Dense::from_config},
      {"DepthwiseConv1D", DepthwiseConv1D::from_config},
      {"DepthwiseConv2D", DepthwiseConv2D::from_config},
      {"Dot", Dot::from_config},
      {"Dropout", Dropout::from_config},
      {"ELU", ELU::from_config},
      {"Embedding", Embedding::from_config},
      {"Flatten", Flatten::from_config},
      {"GaussianDropout", GaussianDropout::from_config},
      {"GaussianNoise", GaussianNoise::from_config},
      {"GlobalAveragePooling1D", GlobalAveragePooling1D::from_config},
      {"GlobalAveragePooling2D", GlobalAveragePooling2D::from_config},
      {"GlobalMaxPooling1D", GlobalMaxPooling1D::from_config},
      {"GlobalMaxPooling2D", GlobalMaxPooling2D::from_config},
      {"GroupNormalization", GroupNormalization::from_config},
      {"LayerNormalization", LayerNormalization::from_config},
      {"LeakyReLU", LeakyReLU::from_config},
      {"MaxPooling1D", MaxPooling1D::from_config},
      {"MaxPooling2D", MaxPooling2D::from_config},
      {"Maximum", make_plain<Maximum>},
      {"Minimum", make_plain<Minimum>},
      {"Multiply", make_plain<Multiply>},
      {"Normalization", Normalization::from_config},
      {"PReLU", PReLU::from_config},
      {"Permute", Permute::from_config},
      {"RMSNormalization", RMSNormalization::from_config},
      {"ReLU", ReLU::from_config},
      {"RepeatVector", RepeatVector::from_config},
      {"Rescaling", Rescaling::from_config},
      {"Reshape", Reshape::from_config},
      {"SeparableConv1D", SeparableConv1D::from_config},
      {"SeparableConv2D", SeparableConv2D::from_config},
      {"Softmax", Softmax::from_config},
      {"SpatialDropout1D", SpatialDropout1D::from_config},
      {"SpatialDropout2D", SpatialDropout2D::from_config},
      {"Subtract", make_plain<Subtract>},
      {"UnitNormalization", UnitNormalization::from_config},
      {"UpSampling1D", UpSampling1D::from_config},
      {"UpSampling2D", UpSampling2D::from_config},
      {"ZeroPadding1D", ZeroPadding1D::from_config},
      {"ZeroPadding2D", ZeroPadding2D::from_config},
  };
  return layers;
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, LayerFactory> factories = own_layers();
};

Registry& registry() {
  static Registry instance;
  return instance;
}

std::string without_digits(std::string name) {
  std::erase_if(name, [](char c) { return c >= '0' && c <= '9'; });
  return name;
}

}  // namespace

void register_layer(const std::string& class_name, LayerFactory factory) {
  std::lock_guard lock(registry().mutex);
  const bool added = class_name != "InputLayer" && class_name != "Sequential" &&
                     class_name != "Functional" && class_name != "Model" &&
                     registry().factories.emplace(class_name, std::move(factory)).second;
  if (!added) {
    throw std::invalid_argument(fmt::format(
        "register_layer(\"{}\"): there is a layer of this name; choose another", class_name));
  }
}

bool nn::is_own_layer(const std::string& class_name) { return own_layers().contains(class_name); }

bool nn::is_known_layer(const std::string& class_name) {
  std::lock_guard lock(registry().mutex);
  return registry().factories.contains(class_name);
}

void nn::require_known_layer(const std::string& class_name) {
  std::vector<std::string> names;
  {
    std::lock_guard lock(registry().mutex);
    if (registry().factories.contains(class_name)) return;
    for (const auto& [name, unused] : registry().factories) names.push_back(name);
  }
  const std::string meant = core::nearest(class_name, names);
  // Conv3D is no slip of the pen for Conv2D.
  const bool is_typo = !meant.empty() && without_digits(meant) != without_digits(class_name);
  throw std::invalid_argument(
      fmt::format("Sluice has no layer class \"{}\"{} (its README lists the layers; in a program, "
                  "register_layer() adds one)",
                  class_name, is_typo ? fmt::format("; did you mean {}?", meant) : ""));
}

std::unique_ptr<Layer> nn::make_layer(const std::string& class_name, const Config& config) {
  require_known_layer(class_name);
  LayerFactory factory;
  {
    std::lock_guard lock(registry().mutex);
    factory = registry().factories.at(class_name);
  }
  std::unique_ptr<Layer> layer = factory(config);
  if (layer == nullptr) {
    throw std::invalid_argument(
        fmt::format("the factory registered for \"{}\" made no layer", class_name));
  }
  return layer;
}

}  // namespace sluice
