#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  // Of sluice/regularizers.h and constraints.h; empty: none.
  std::string alpha_regularizer = {};
  std::string alpha_constraint = {};
  // Along which all places have the same slope, counted from the batch as axis 0: {1, 2} for one
  // slope to each channel of an image. Empty: each place has its own.
  std::vector<int64_t> shared_axes = {};
  std::string name = {};  // empty: p_re_lu, p_re_lu_1, ...
};

// A ReLU that learns its slopes.
//
//   y = x > 0 ? x : alpha x
//
//   x [N, ...]     alpha [...], of size 1 along the shared axes
//   y [N, ...]
//
// The gradient of x at 0 is 0. The constructor throws std::invalid_argument for options out of
// range; adding the layer throws ShapeError for an input without one of the axes.
//
//   model.add(Conv2D({.filters = 32, .kernel_size = 3}));
//   model.add(PReLU({.shared_axes = {1, 2}}));
//
// He et al., 2015, arXiv:1502.01852. Keras: keras.layers.PReLU.
class PReLU final : public Layer {
 public:
  explicit PReLU(const PReLUOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given; initializer, regularizer and constraint by their Keras names.
  const PReLUOptions& options() const { return options_; }

  std::string class_name() const override { return "PReLU"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<PReLU>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  PReLUOptions options_;
};

}  // namespace sluice
