#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// What an Embedding is told; the first two are required.
struct EmbeddingOptions {
  int64_t input_dim = 0;   // numbers that there are, from 0; at most 2^24
  int64_t output_dim = 0;  // of a vector
  Initializer embeddings_initializer = "uniform";
  // Of sluice/regularizers.h and constraints.h; empty: none.
  std::string embeddings_regularizer = {};
  std::string embeddings_constraint = {};
  std::string activity_regularizer = {};  // of the vectors that are given
  std::string name = {};                  // empty: embedding, embedding_1, ...
};

// A vector for each number.
//
//   x [N, ...]      embeddings [input_dim, output_dim]      y [N, ..., output_dim]: row x of them
//
// Inputs are whole numbers from 0, as floats. What a batch has and there is no row for is refused
// where the model's input is the layer's: std::invalid_argument; behind other layers it gives NaN.
// Rows that a batch does not have get a gradient of 0, with which the optimizer goes on as with any
// other. The sums of those that it has are made in the order of the batch: the same bits each time.
//
// A number that a batch has several times trains its row with the sum of its gradients, as a Dense
// layer without bias would, in Keras too, whose inputs are one-hot. Keras' Embedding on TensorFlow
// takes the squares, absolute values, norms and clipped values of each of these gradients (which
// are tf.IndexedSlices) before it adds them up, so that such a row moves otherwise there with
// clipping and with all optimizers but SGD and Lion.
//
// Throws std::invalid_argument for sizes below 1. Keras: keras.layers.Embedding, without mask_zero.
class Embedding final : public Layer {
 public:
  explicit Embedding(const EmbeddingOptions& options);
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Embedding"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::vector<WeightSpec> weights(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Embedding>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  EmbeddingOptions options_;
};

}  // namespace sluice
