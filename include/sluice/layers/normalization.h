#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/layer.h"
#include "sluice/layers/per_feature.h"

namespace sluice {

// What a Normalization may be told.
struct NormalizationOptions {
  // As Keras counts: -1, the last axis: each feature has its own mean; none: all have the same.
  std::vector<int64_t> axis = {-1};
  PerFeature mean = {};      // with the variance; or adapt()
  PerFeature variance = {};  // at least 0
  bool invert = false;       // the way back
  std::string name = {};     // empty: normalization, normalization_1, ...
};

// Features of mean 0 and variance 1.
//
//   x [N, ..., F]      y = (x - mean) / max(sqrt(variance), 1e-7), of the same shape
//   inverted           y = x max(sqrt(variance), 1e-7) + mean
//
//   Normalization normalization;
//   normalization.adapt(x, 13);      // [N, 13]
//   model.add(normalization);
//
// Mean and variance that are given, or found by adapt(), are settings. Without them they are
// weights that nobody trains, as in Keras, whose adapt() sets those:
//
//   mean [F]       zeros      [] where there is no axis
//   variance [F]   ones       likewise
//   count []       zeros      of the records that they are from; not used
//
// Throws std::invalid_argument for one of mean and variance without the other, a negative variance
// and numbers that are not finite; adding the layer throws ShapeError where they are not as many as
// the input's features, or for another axis than the last. Keras: keras.layers.Normalization.
class Normalization final : public Layer {
 public:
  explicit Normalization(const NormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // Finds mean and (population) variance of `x`, rows of `features` numbers each. With no axis:
  // of all numbers. Before the layer is called or added. Throws std::invalid_argument when there
  // are no rows or not whole ones.
  void adapt(std::span<const float> x, int64_t features);
  const PerFeature& mean() const { return options_.mean; }
  const PerFeature& variance() const { return options_.variance; }

  std::string class_name() const override { return "Normalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Normalization>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  NormalizationOptions options_;
};

}  // namespace sluice
