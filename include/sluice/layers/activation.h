#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What an Activation may be told besides its function.
struct ActivationOptions {
  std::string name = {};  // empty: activation, activation_1, ...
};

// A function of each element, or softmax over the last axis. The output has the input's shape
// [N, ...]; no weights.
//
//   "linear"   x                        "sigmoid"  1 / (1 + exp(-x))
//   "relu"     max(x, 0)                "tanh"     tanh(x)
//   "softmax"  exp(x_k) / sum over the last axis of exp(x_j)
//
// The same as the option `activation` of Dense and Conv2D: Dense({.units = 10, .activation =
// "softmax"}) computes what Dense({.units = 10}) followed by Activation("softmax") does. NaN stays
// NaN, but that relu makes it 0 on the CPU.
//
// Throws std::invalid_argument for any other name, ShapeError for softmax of an input without axes.
// Keras: keras.layers.Activation.
class Activation final : public Layer {
 public:
  explicit Activation(std::string activation, const ActivationOptions& options = {});
  // From Keras' config: {"activation"}. Throws std::invalid_argument when it is missing.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // The function's name.
  const std::string& activation() const { return activation_; }

  std::string class_name() const override { return "Activation"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Activation>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  std::string activation_;
};

}  // namespace sluice
