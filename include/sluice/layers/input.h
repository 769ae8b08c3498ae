#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

struct InputOptions {
  std::string name = "input_layer";
};

// The shape of one sample, without the batch: Input({28, 28, 1}). The first thing added to a model;
// not counted among its layers, as in Keras.
//
// Throws std::invalid_argument for a shape with a dimension below 1.
// Keras: keras.layers.Input; in files the class is InputLayer.
class Input final : public Layer {
 public:
  explicit Input(Shape shape, const InputOptions& options = {});

  const Shape& shape() const { return shape_; }

  std::string class_name() const override { return "InputLayer"; }
  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override;  // throws ShapeError for another shape
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Input>(*this); }
  void lower(nn::GraphBuilder&) const override {}

 private:
  Shape shape_;
};

}  // namespace sluice
