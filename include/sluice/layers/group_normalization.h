#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct GroupNormalizationOptions {
  int64_t groups = 32;     // of channels; at least 1, or -1 for each channel by itself
  int64_t axis = -1;       // of the channels, counted from the batch as axis 0, or -1 for the last
  double epsilon = 0.001;  // at least 0
  bool center = true;      // without it there is no beta
  bool scale = true;       // without it there is no gamma
  // How weights are drawn.
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  // Of sluice/regularizers.h and constraints.h; empty: none.
  std::string beta_regularizer = {}, gamma_regularizer = {};
  std::string beta_constraint = {}, gamma_constraint = {};
  std::string name = {};  // empty: group_normalization, group_normalization_1, ...
};

// Normalizes groups of neighbouring channels of each sample, over all its places.
//
//   y = (x - m) / sqrt(v + epsilon) gamma_c + beta_c
//
//   x [N, ..., C]     gamma, beta [C]
//   y [N, ..., C]
//
// m and v are mean and variance over the C / groups channels of the group and all axes but the
// batch, v divided by the number of values. One group is layer normalization over all axes, but for
// gamma and beta; a group for each channel is instance normalization. Training and inference are
// the same.
//
// The constructor throws std::invalid_argument for options out of range; adding the layer throws
// ShapeError where there is no such axis, or the groups do not divide its channels.
//
//   model.add(GroupNormalization({.groups = 8}));
//
// Wu & He, 2018, arXiv:1803.08494. Keras: keras.layers.GroupNormalization.
class GroupNormalization final : public Layer {
 public:
  explicit GroupNormalization(const GroupNormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given; initializers, regularizers and constraints by their Keras names.
  const GroupNormalizationOptions& options() const { return options_; }

  std::string class_name() const override { return "GroupNormalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GroupNormalization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  GroupNormalizationOptions options_;
};

}  // namespace sluice
