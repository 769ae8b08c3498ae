#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a Reshape is told.
struct ReshapeOptions {
  Shape target_shape = {};  // without the batch; one size may be -1: what is left
  std::string name = {};    // empty: reshape, reshape_1, ...
};

// The same elements, row-major, under another shape.
//
//   x [N, ...]      y [N, target_shape...]
//
//   model.add(Reshape({.target_shape = {7, 7, -1}}));
//
// No weights. Costs nothing: nothing is copied. Throws std::invalid_argument for two sizes of -1
// and for others below 1; adding the layer throws ShapeError unless the elements fit.
// Keras: keras.layers.Reshape.
class Reshape final : public Layer {
 public:
  explicit Reshape(const ReshapeOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Reshape"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Reshape>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  Shape target_shape_;
};

}  // namespace sluice
