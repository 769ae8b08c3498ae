// Layers that are an activation function and nothing else: y [N, ...] = f(x [N, ...]), no weights.
// Those with other layers in front of them cost no more than the option `activation` of these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/activations.h"
#include "sluice/layer.h"

namespace sluice {

// What they have in common. Not for programs: use one of the layers below.
class ActivationLayer : public Layer {
 public:
  // What the layer computes. Arguments that have their defaults are left out.
  const ActivationFunction& function() const { return function_; }

  // Throws ShapeError for an axis that the input does not have.
  Shape output_shape(const Shape& input) const override;
  void lower(nn::GraphBuilder& builder) const override;

 protected:
  // Throws std::invalid_argument, naming the class and `argument`.
  ActivationLayer(const char* layer_class, const char* argument, ActivationFunction function,
                  std::string name);
  // Of a function that has been checked.
  ActivationLayer(ActivationFunction function, std::string name);

 private:
  ActivationFunction function_;
};

// What an Activation may be told besides its function.
struct ActivationOptions {
  std::string name = {};  // empty: activation, activation_1, ...
};

// Any function of sluice/activations.h. The same as the option `activation` of Dense and Conv2D:
// Dense({.units = 10, .activation = "softmax"}) computes what Dense({.units = 10}) followed by
// Activation("softmax") does.
//
// Throws std::invalid_argument for a function that there is not.
// Keras: keras.layers.Activation.
class Activation final : public ActivationLayer {
 public:
  explicit Activation(ActivationFunction activation, const ActivationOptions& options = {});
  // From Keras' config: {"activation"}. Throws std::invalid_argument when it is missing.
  static std::unique_ptr<Layer> from_config(const Config& config);

  // The function's name.
  const std::string& activation() const { return function().name; }

  std::string class_name() const override { return "Activation"; }
  Config config() const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Activation>(*this); }
};

// Keras' arguments with Keras' defaults; none may be negative.
struct ReLUOptions {
  std::optional<double> max_value = {};  // none: no maximum
  double negative_slope = 0;
  double threshold = 0;
  std::string name = {};  // empty: re_lu, re_lu_1, ...
};

// y = x > threshold ? min(x, max_value) : negative_slope (x - threshold)
//
// Throws std::invalid_argument for options below 0. Keras: keras.layers.ReLU.
class ReLU final : public ActivationLayer {
 public:
  explicit ReLU(const ReLUOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "ReLU"; }
  Config config() const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<ReLU>(*this); }
};

// Keras' argument with Keras' default. Keras 2 calls it alpha.
struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name = {};  // empty: leaky_re_lu, leaky_re_lu_1, ...
};

// y = x > 0 ? x : negative_slope x
//
// Maas et al., 2013. Keras: keras.layers.LeakyReLU.
class LeakyReLU final : public ActivationLayer {
 public:
  explicit LeakyReLU(const LeakyReLUOptions& options = {});
  // The slope may be "negative_slope" or "alpha".
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "LeakyReLU"; }
  Config config() const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<LeakyReLU>(*this); }
};

// Keras' argument with Keras' default.
struct ELUOptions {
  double alpha = 1;
  std::string name = {};  // empty: elu, elu_1, ...
};

// y = x > 0 ? x : alpha (exp(x) - 1)
//
// Clevert et al., 2015. Keras: keras.layers.ELU.
class ELU final : public ActivationLayer {
 public:
  explicit ELU(const ELUOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "ELU"; }
  Config config() const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<ELU>(*this); }
};

// Keras' argument with Keras' default.
struct SoftmaxOptions {
  // One or several, the batch being axis 0; from the end where negative.
  std::vector<int64_t> axis = {-1};
  std::string name = {};  // empty: softmax, softmax_1, ...
};

// y_k = exp(x_k) / sum_j exp(x_j) over all places along the axes.
//
// Throws std::invalid_argument for no axis; adding the layer throws ShapeError for an axis that the
// input does not have or that is named twice. Over several axes it is no function of a layer's
// option `activation`. Keras: keras.layers.Softmax.
class Softmax final : public ActivationLayer {
 public:
  explicit Softmax(const SoftmaxOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Softmax"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Softmax>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  std::vector<int64_t> axes_;
};

}  // namespace sluice
