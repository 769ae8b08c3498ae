#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a RepeatVector is told.
struct RepeatVectorOptions {
  int64_t n = 0;          // how often; required, at least 1
  std::string name = {};  // empty: repeat_vector, repeat_vector_1, ...
};

// The input n times, one behind the other: a vector as a sequence.
//
//   x [N, F]      y [N, n, F]: y[., i, .] = x
//
//   model.add(RepeatVector({.n = 10}));
//
// No weights. Throws std::invalid_argument for n below 1; adding the layer throws ShapeError for an
// input of another rank. Keras: keras.layers.RepeatVector.
class RepeatVector final : public Layer {
 public:
  explicit RepeatVector(const RepeatVectorOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "RepeatVector"; }
  Config config() const override { return Config().set("n", n_); }
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<RepeatVector>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  int64_t n_;
};

}  // namespace sluice
