#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// What a Permute is told.
struct PermuteOptions {
  // Of each axis of the output, which of the input it is. They count from 1, behind the batch.
  std::vector<int64_t> dims = {};
  std::string name = {};  // empty: permute, permute_1, ...
};

// Axes in another order.
//
//   x [N, d_1, ..., d_r]      y [N, d_dims[0], ..., d_dims[r-1]]      dims {2, 1}: the transpose
//
// No weights. Throws std::invalid_argument unless `dims` has each of 1 to r once, r being 8 at
// most; adding the layer throws ShapeError for inputs of another rank than r.
// Keras: keras.layers.Permute.
class Permute final : public Layer {
 public:
  explicit Permute(const PermuteOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Permute"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Permute>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace sluice
