#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct LayerNormalizationOptions {
  // One or several, counted from the batch as axis 0, or -1 for the last.
  std::vector<int64_t> axis = {-1};
  double epsilon = 0.001;  // at least 0
  bool center = true;      // without it there is no beta
  bool scale = true;       // without it there is no gamma
  // How weights are drawn.
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  // Of sluice/regularizers.h and constraints.h; empty: none.
  std::string beta_regularizer = {}, gamma_regularizer = {};
  std::string beta_constraint = {}, gamma_constraint = {};
  std::string name = {};  // empty: layer_normalization, layer_normalization_1, ...
};

// Normalizes each sample over the axes, apart for each place along the others.
//
//   y = (x - m) / sqrt(v + epsilon) gamma + beta
//
//   x [N, ...]     gamma, beta [the sizes of the axes]
//   y [N, ...]
//
// m and v are mean and variance of the sample over the axes, v divided by the number of values.
// Training and inference are the same, and nothing is a state.
//
// The constructor throws std::invalid_argument for options out of range; adding the layer throws
// ShapeError for an input without one of the axes. Keras' rms_scaling, which is deprecated and no
// root mean square, is not there: RMSNormalization is.
//
//   model.add(LayerNormalization());
//
// Ba, Kiros & Hinton, 2016, arXiv:1607.06450. Keras: keras.layers.LayerNormalization.
class LayerNormalization final : public Layer {
 public:
  explicit LayerNormalization(const LayerNormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given; initializers, regularizers and constraints by their Keras names.
  const LayerNormalizationOptions& options() const { return options_; }

  std::string class_name() const override { return "LayerNormalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<LayerNormalization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  LayerNormalizationOptions options_;
};

}  // namespace sluice
