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
#include <vector>

#include "sluice/config.h"
#include "sluice/initializers.h"
#include "sluice/shape.h"

namespace sluice {

namespace nn {
class GraphBuilder;
}

// A weight that a layer asks for, and how it is drawn.
struct WeightSpec {
  std::string name = {};  // "kernel"; no two weights of a layer have the same
  Shape shape = {};
  Initializer initializer = "glorot_uniform";
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
