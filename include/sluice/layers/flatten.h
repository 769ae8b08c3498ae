#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a Flatten may be told.
struct FlattenOptions {
  std::string name = {};  // empty: flatten, flatten_1, ...
};

// The same elements in one row per sample, for a Dense layer behind convolutions.
//
//   x [N, H, W, C]      y [N, H W C], row-major: y[n, (h W + w) C + c] = x[n, h, w, c]
//
// Inputs of any rank are taken; no weights. Costs nothing: nothing is copied.
// Keras: keras.layers.Flatten, channels last.
class Flatten final : public Layer {
 public:
  explicit Flatten(const FlattenOptions& options = {}) : Layer(options.name) {}
  // Keras' config holds nothing that matters here.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Flatten"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override { return {input.size()}; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Flatten>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
