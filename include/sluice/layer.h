// A layer: a description of one step of a model. Sluice's own are in sluice/layers.h; derive from
// CustomLayer to write one in your program.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/shape.h"

namespace sluice {

namespace nn {
class GraphBuilder;
}

// One value of a layer's configuration, and the configuration: Keras' keys in Keras' order, without
// "name", "trainable" and "dtype", which every layer has.
using ConfigValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>>;

class Config {
 public:
  Config& set(std::string key, ConfigValue value);
  bool has(const std::string& key) const { return find(key) != nullptr; }
  // nullptr when there is no such key.
  const ConfigValue* find(const std::string& key) const;

  // The value under `key`, or `fallback` when the key is absent or null. Throws
  // std::invalid_argument, naming the key, when the value is of another type (a whole number passes
  // as double).
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_double(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& key, std::vector<int64_t> fallback) const;

  const std::vector<std::pair<std::string, ConfigValue>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, ConfigValue>> entries_;
};

// A weight that a layer asks for, and how it is drawn, by Keras' names:
//
//   zeros, ones
//   glorot_uniform, glorot_normal   variance 2 / (fan_in + fan_out)   Glorot & Bengio, 2010
//   he_uniform, he_normal           variance 2 / fan_in               He et al., 2015
//   lecun_uniform, lecun_normal     variance 1 / fan_in               LeCun et al., 1998
//
// Normal ones are cut at two standard deviations. Of a kernel [in, out] the fans are in and out, of
// a convolution's [h, w, in, out] they are h w in and h w out.
struct WeightSpec {
  std::string name = {};  // "kernel"
  Shape shape = {};
  std::string initializer = "glorot_uniform";
};

// A description only: holds no weights and computes nothing itself. Value semantics by clone().
class Layer {
 public:
  virtual ~Layer() = default;

  virtual std::string class_name() const = 0;  // Keras' class: "Conv2D"
  virtual Config config() const = 0;
  // Shapes are without the batch. Throws ShapeError for an input that the layer cannot take.
  virtual Shape output_shape(const Shape& input) const = 0;
  // In the order of Keras' layer.weights.
  virtual std::vector<WeightSpec> weights(const Shape& input) const;
  virtual std::unique_ptr<Layer> clone() const = 0;
  // Appends the layer's operations. For Sluice's own code.
  virtual void lower(nn::GraphBuilder& builder) const = 0;

  // Empty until the layer is added to a model, which names it as Keras does: "conv2d", "conv2d_1".
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

 protected:
  Layer() = default;
  explicit Layer(std::string name) : name_(std::move(name)) {}
  Layer(const Layer&) = default;
  Layer& operator=(const Layer&) = default;

 private:
  std::string name_;
};

// A layer computed on the host by the program's own code. In other processes it is made again from
// class_name() and config(), so register it before sluice::init():
//
//   sluice::register_layer("Swish", [](const sluice::Config& config) {
//     return std::make_unique<Swish>(config);
//   });
//
// forward() and backward() may be called from any worker's thread and keep no state.
class CustomLayer : public Layer {
 public:
  struct Forward {
    int64_t batch;                                // N
    std::span<const float> x;                     // [N, input...]
    std::vector<std::span<const float>> weights;  // in the order of weights()
    std::span<float> y;                           // [N, output...], to be written
    bool training;
  };
  // Gradients of the loss; dx and dweights hold anything and are to be overwritten.
  struct Backward {
    int64_t batch;                                // N
    std::span<const float> x;                     // [N, input...]
    std::span<const float> y, dy;                 // [N, output...]
    std::vector<std::span<const float>> weights;  // in the order of weights()
    std::span<float> dx;                          // [N, input...]; empty when nobody needs it
    std::vector<std::span<float>> dweights;       // sums over the batch, one per weight
  };
  virtual void forward(const Forward& args) const = 0;
  virtual void backward(const Backward& args) const = 0;

  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override { return input; }
  void lower(nn::GraphBuilder& builder) const final;
};

using LayerFactory = std::function<std::unique_ptr<Layer>(const Config&)>;

// Makes `class_name` known to Sequential::from_json() and to worker processes. Throws
// std::invalid_argument when the name is taken.
void register_layer(const std::string& class_name, LayerFactory factory);

}  // namespace sluice
