#pragma once

#include <memory>
#include <span>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What an Add may be told.
struct AddOptions {
  std::string name = {};  // empty: add, add_1, ...
};

// The sum of all that it is called for, element by element:
//
//   y = x_1 + ... + x_n
//
// All x have one shape, which is y's. Calling it throws ShapeError for others.
//
//   const auto y = Add()({x, shortcut});
//
// Keras: keras.layers.Add, which also takes shapes that broadcast.
class Add final : public Layer {
 public:
  explicit Add(const AddOptions& options = {}) : Layer(options.name) {}
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Add"; }
  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override { return input; }
  Shape merged_shape(std::span<const Shape> inputs) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Add>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
