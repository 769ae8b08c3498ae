#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct BatchNormalizationOptions {
  // Of the channels; the last, which is -1 or its number counted from the batch as axis 0.
  int64_t axis = -1;
  double momentum = 0.99;  // the weight of the old moving statistics, from 0 to 1
  double epsilon = 0.001;  // at least 0
  bool center = true;      // without it there is no beta
  bool scale = true;       // without it there is no gamma
  // How weights are drawn.
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Initializer moving_mean_initializer = "zeros";
  Initializer moving_variance_initializer = "ones";
  // Of sluice/regularizers.h and constraints.h; empty: none.
  std::string beta_regularizer = {}, gamma_regularizer = {};
  std::string beta_constraint = {}, gamma_constraint = {};
  std::string name = {};  // empty: batch_normalization, batch_normalization_1, ...
};

// Normalizes each channel over the batch and all axes but the last.
//
//   y = (x - m_c) / sqrt(v_c + epsilon) gamma_c + beta_c
//
//   x [N, ..., C]     gamma, beta, moving_mean, moving_variance [C]
//   y [N, ..., C]
//
// In training m and v are the batch's mean and variance, the latter divided by the number of values
// as in Keras 3 (Keras 2 divides what it stores of images by one less), and each step moves
//
//   moving_mean = momentum moving_mean + (1 - momentum) m      moving_variance likewise with v
//
// with which evaluate() and predict() normalize; so does training when the layer is not trainable,
// which then moves nothing. The moving statistics are a state: no optimizer steps them. In a job
// each of R workers that train at the same time pushes
//
//   (moving - anchor) / R
//
// whatever the algorithm, `anchor` being what its window began from; the servers add it up. What R
// windows of W steps bring together is then (1 - momentum^W) (mean of the workers' m - anchor), as
// if one worker had seen all their batches at once.
//
// The constructor throws std::invalid_argument for options out of range; adding the layer throws
// ShapeError for an input without axes, or where the axis is not the last.
//
//   model.add(Conv2D({.filters = 32, .kernel_size = 3, .use_bias = false}));
//   model.add(BatchNormalization());
//   model.add(Activation("relu"));
//
// Ioffe & Szegedy, 2015, arXiv:1502.03167. Keras: keras.layers.BatchNormalization.
class BatchNormalization final : public Layer {
 public:
  explicit BatchNormalization(const BatchNormalizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // As given; initializers, regularizers and constraints by their Keras names.
  const BatchNormalizationOptions& options() const { return options_; }

  std::string class_name() const override { return "BatchNormalization"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<BatchNormalization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  BatchNormalizationOptions options_;
};

}  // namespace sluice
