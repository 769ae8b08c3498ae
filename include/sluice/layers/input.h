#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What an Input may be told.
struct InputOptions {
  std::string name = "input_layer";  // in Keras' JSON
};

// The shape of one sample, without the batch: Input({28, 28, 1}). The first thing added to a
// Sequential, which fixes the shapes of all that follow, or what the first layers of a Model are
// called with; not counted among the layers, as in Keras.
//
// A dataset fits when its records have that shape but for dimensions of 1, or the model takes them
// as one row: images [28, 28, 1] go into Input({28, 28, 1}), Input({28, 28}) and Input({784}).
//
// Throws std::invalid_argument for a shape with a dimension below 1, ShapeError for one of more
// than 2^40 elements.
// Keras: keras.layers.Input; in files the class is InputLayer.
class Input final : public Layer {
 public:
  explicit Input(Shape shape, const InputOptions& options = {});

  // Without the batch.
  const Shape& shape() const { return shape_; }

  std::string class_name() const override { return "InputLayer"; }
  Config config() const override { return {}; }
  Shape output_shape(const Shape& input) const override;  // throws ShapeError for another shape
  // What a Model begins with; the same value each time.
  operator SymbolicTensor() const;  // NOLINT(google-explicit-constructor): as in Keras
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Input>(*this); }
  void lower(nn::GraphBuilder&) const override {}

 private:
  Shape shape_;
};

}  // namespace sluice
