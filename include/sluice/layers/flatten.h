#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

struct FlattenOptions {
  std::string name = {};  // empty: flatten, flatten_1, ...
};

// The same elements in one row per sample, row-major: [N, H, W, C] to [N, H W C]. Costs nothing.
// Keras: keras.layers.Flatten.
class Flatten final : public Layer {
 public:
  explicit Flatten(const FlattenOptions& options = {}) : Layer(options.name) {}
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Flatten"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override { return {input.size()}; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Flatten>(*this); }
  void lower(nn::GraphBuilder& builder) const override;
};

}  // namespace sluice
