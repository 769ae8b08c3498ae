// A layer: a description of one step of a model. Sluice's own are in sluice/layers.h; derive from
// CustomLayer to write one in your program:
//
//   class Swish final : public sluice::CustomLayer {
//    public:
//     std::string class_name() const override { return "Swish"; }
//     std::unique_ptr<sluice::Layer> clone() const override {
//       return std::make_unique<Swish>(*this);
//     }
//     void forward(const Forward& args) const override;    // y = x sigmoid(x)
//     void backward(const Backward& args) const override;  // dx = dy (s + y (1 - s))
//   };
//
// examples/custom_layer has a whole one, with a weight.
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

// One value of a layer's configuration, as JSON has them: null, true or false, a whole number, a
// number, a string, a list of whole numbers, one of numbers, one of lists of whole numbers.
using ConfigValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::vector<int64_t>>>;

// A layer's configuration: what Keras' get_config() returns and its JSON holds, keys in Keras'
// order. "name", "trainable" and "dtype", which every layer has, are left out.
class Config {
 public:
  // Sets `key`, or replaces its value where it is. Returns this, so that calls can be chained.
  Config& set(std::string key, ConfigValue value);
  // Whether the key is there, even if its value is null.
  bool has(const std::string& key) const { return find(key) != nullptr; }
  // nullptr when there is no such key. Valid until the next set().
  const ConfigValue* find(const std::string& key) const;

  // The value under `key`, or `fallback` when the key is absent or null. Throws
  // std::invalid_argument, naming the key, when the value is of another type (whole numbers pass as
  // doubles).
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_double(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& key, std::vector<int64_t> fallback) const;
  std::vector<double> get_doubles(const std::string& key, std::vector<double> fallback) const;
  std::vector<std::vector<int64_t>> get_lists(const std::string& key,
                                              std::vector<std::vector<int64_t>> fallback) const;

  // In the order in which the keys were first set.
  const std::vector<std::pair<std::string, ConfigValue>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, ConfigValue>> entries_;
};

// A weight that a layer asks for, and how it is drawn, by Keras' names:
//
//   zeros, ones
//   random_uniform, uniform         in [-0.05, 0.05)
//   glorot_uniform, glorot_normal   variance 2 / (fan_in + fan_out)   Glorot & Bengio, 2010
//   he_uniform, he_normal           variance 2 / fan_in               He et al., 2015
//   lecun_uniform, lecun_normal     variance 1 / fan_in               LeCun et al., 1998
//
// Uniform ones lie in [-sqrt(3 variance), sqrt(3 variance)). Normal ones are cut at two standard
// deviations and scaled so that the variance is as stated. Of a kernel [in, out] the fans are in
// and out, of a convolution's [h, w, in, out] they are h w in and h w out. The numbers are Sluice's
// own: the same seed gives the same weights on every machine, but not those of Keras.
struct WeightSpec {
  std::string name = {};  // "kernel"; no two weights of a layer have the same
  Shape shape = {};
  std::string initializer = "glorot_uniform";
  // Whether the optimizer steps it; false of a state that the layer itself changes in training,
  // such as a moving average. In the order of Layer::weights() these come last.
  bool trainable = true;
  std::string regularizer = {};  // of sluice/regularizers.h; empty: none
  std::string constraint = {};   // of sluice/constraints.h; empty: none

  bool operator==(const WeightSpec&) const = default;
};

class Layer;

// A value of a model to be: an Input, or what a layer gives for others. It holds no numbers; a
// Model is made from the values where it begins and ends. A handle: copies stand for the same
// value.
//
//   const Input image({28, 28, 1});
//   const auto x = Dense({.units = 16, .activation = "relu"})(image);
//   const auto y = Add()({x, Dense({.units = 16})(x)});
//
// Keras: KerasTensor.
class SymbolicTensor {
 public:
  // The layer that gives it, and what it is given. For Sluice's own code.
  struct Node {
    std::shared_ptr<const Layer> layer;
    std::vector<SymbolicTensor> inputs;  // none: an Input
    Shape shape;

    ~Node();
  };
  explicit SymbolicTensor(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  const std::shared_ptr<const Node>& node() const { return node_; }

  // Of one sample, without the batch.
  const Shape& shape() const { return node_->shape; }

 private:
  std::shared_ptr<const Node> node_;
};

// A description only: holds no weights and computes nothing itself, so that a layer costs nothing
// to copy. The model owns the weights. Const functions may be called from several threads, but for
// calls of the layer itself.
class Layer {
 public:
  virtual ~Layer() = default;

  // What the layer gives for an input, or for several, in a Model. A layer that is called more than
  // once has the same weights each time; a copy of it has its own. Throws ShapeError for inputs
  // that it cannot take.
  SymbolicTensor operator()(const SymbolicTensor& input) const;
  SymbolicTensor operator()(const std::vector<SymbolicTensor>& inputs) const;

  // Keras' class, "Conv2D", or the name that the program has registered; by this it is found again
  // in a model's JSON.
  virtual std::string class_name() const = 0;
  // From which a factory makes an equal layer, but for its name.
  virtual Config config() const = 0;
  // The shape of an output for inputs of shape `input`, both without the batch. Throws ShapeError
  // for an input that the layer cannot take.
  virtual Shape output_shape(const Shape& input) const = 0;
  // The same of a layer that may be given several, such as Add; by default it takes one.
  virtual Shape merged_shape(std::span<const Shape> inputs) const;
  // The weights that the layer needs for such inputs, in the order of Keras' layer.weights; none
  // by default.
  virtual std::vector<WeightSpec> weights(const Shape& input) const;
  // A copy, name included.
  virtual std::unique_ptr<Layer> clone() const = 0;
  // Appends the layer's operations. For Sluice's own code.
  virtual void lower(nn::GraphBuilder& builder) const = 0;

  // Empty until the layer is added to a model, which names it as Keras does: "conv2d", "conv2d_1".
  const std::string& name() const { return name_; }
  // Only before it is added: a model's names are unique.
  void set_name(std::string name) { name_ = std::move(name); }

  // Whether training changes the weights; true at first. In a model's JSON: "trainable".
  bool trainable() const { return trainable_; }
  void set_trainable(bool trainable) { trainable_ = trainable; }

 protected:
  Layer() = default;
  explicit Layer(std::string name) : name_(std::move(name)) {}
  Layer(const Layer& other) : name_(other.name_), trainable_(other.trainable_) {}
  Layer& operator=(const Layer& other) {
    name_ = other.name_;
    trainable_ = other.trainable_;
    called_.reset();
    return *this;
  }
  // The layer as its calls remember it: made by the first of them, and no copy's.
  const std::shared_ptr<const Layer>& called() const;

 private:
  std::string name_;
  bool trainable_ = true;
  mutable std::shared_ptr<const Layer> called_;
};

// A layer computed by the program's own code, on the host also where the rest of the model is on a
// GPU. In other processes it is made again from class_name() and config(), so register it before
// sluice::init():
//
//   sluice::register_layer("Swish", [](const sluice::Config& config) {
//     return std::make_unique<Swish>();  // and what `config` says
//   });
//
// forward() and backward() are called, on a copy that clone() made, by whichever thread trains or
// evaluates. They keep no state: what backward() needs it finds in its arguments. An exception ends
// the step and reaches the caller of fit(), evaluate() or predict(); in a job it ends the worker.
//
// Tensors are row-major float32, the batch first, and valid only during the call. By default the
// layer has no weights, no configuration, and outputs of the input's shape.
class CustomLayer : public Layer {
 public:
  struct Forward {
    int64_t batch;                                // N
    std::span<const float> x;                     // [N, input...]
    std::vector<std::span<const float>> weights;  // in the order of weights()
    std::span<float> y;                           // [N, output...], to be written
    bool training;                                // false in evaluate() and predict()
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
  // Writes all of y.
  virtual void forward(const Forward& args) const = 0;
  // Writes all of dx and dweights. Follows a forward() in training mode with the same x.
  virtual void backward(const Backward& args) const = 0;

  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override { return input; }
  void lower(nn::GraphBuilder& builder) const final;
};

// Makes a layer from its configuration. May throw std::invalid_argument, which reaches the reader
// of the model with the layer's name in front.
using LayerFactory = std::function<std::unique_ptr<Layer>(const Config&)>;

// Makes `class_name` known to Sequential::from_json() and to worker processes, for as long as the
// process lives. Throws std::invalid_argument when the name is taken. Safe to call from several
// threads.
void register_layer(const std::string& class_name, LayerFactory factory);

}  // namespace sluice
