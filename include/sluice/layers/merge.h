// Layers that make one value of several, element by element. From the last axis on, the inputs'
// sizes are equal, which is the output's then, or 1: such an input counts for all places along that
// axis, and its gradient is the sum over them. Others' missing first axes are 1.
//
//   const auto y = Add()({x, shortcut});
//   const auto z = Multiply()({image, weights});      // [N, H, W, C] and [N, 1, 1, C]
//
// Calling one throws ShapeError for inputs of other shapes, and std::invalid_argument for more than
// 32 of them. An input that is spread over others' places takes their memory once more.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a merging layer may be told.
struct MergeOptions {
  std::string name = {};  // empty: add, add_1, ...
};

// What they have in common. Not for programs: use one of the layers below.
class Merge : public Layer {
 public:
  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override { return input; }
  Shape merged_shape(std::span<const Shape> inputs) const override;

 protected:
  explicit Merge(const MergeOptions& options) : Layer(options.name) {}
};

// The sum, which residual blocks end in.
//
//   y = x_1 + ... + x_n      dx_k = dy
//
// Keras: keras.layers.Add.
class Add final : public Merge {
 public:
  explicit Add(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Add"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Add>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The difference of exactly two; ShapeError for any other number.
//
//   y = x_1 - x_2      dx_1 = dy, dx_2 = -dy
//
// Keras: keras.layers.Subtract.
class Subtract final : public Merge {
 public:
  explicit Subtract(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Subtract"; }
  Shape merged_shape(std::span<const Shape> inputs) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Subtract>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The product, element by element.
//
//   y = x_1 ... x_n      dx_k = dy times the product of all others
//
// Keras: keras.layers.Multiply.
class Multiply final : public Merge {
 public:
  explicit Multiply(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Multiply"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Multiply>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The mean.
//
//   y = (x_1 + ... + x_n) / n      dx_k = dy / n
//
// Keras: keras.layers.Average.
class Average final : public Merge {
 public:
  explicit Average(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Average"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Average>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The largest; NaN where there is one.
//
//   y = max(x_1, ..., x_n)      dx_k = dy for the first k with x_k = y, 0 for all others
//
// Keras: keras.layers.Maximum; so is its gradient on TensorFlow.
class Maximum final : public Merge {
 public:
  explicit Maximum(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Maximum"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Maximum>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

// The smallest; NaN where there is one.
//
//   y = min(x_1, ..., x_n)      dx_k = dy for the first k with x_k = y, 0 for all others
//
// Keras: keras.layers.Minimum; so is its gradient on TensorFlow.
class Minimum final : public Merge {
 public:
  explicit Minimum(const MergeOptions& options = {}) : Merge(options) {}
  std::string class_name() const override { return "Minimum"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Minimum>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
