#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/layer.h"

namespace sluice {

struct DropoutOptions {
  // None: from the layer's name, so that two dropouts in a model draw different masks.
  std::optional<int64_t> seed = {};
  std::string name = {};  // empty: dropout, dropout_1, ...
};

// Training: each element is zeroed with probability `rate`, the others are scaled by
// 1 / (1 - rate). Inference: the identity. Srivastava et al., 2014.
//
// Throws std::invalid_argument unless 0 <= rate < 1.
// Keras: keras.layers.Dropout, without noise_shape.
class Dropout final : public Layer {
 public:
  explicit Dropout(double rate, const DropoutOptions& options = {});
  static std::unique_ptr<Layer> from_config(const Config& config);

  double rate() const { return rate_; }
  std::optional<int64_t> seed() const { return seed_; }

  std::string class_name() const override { return "Dropout"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override { return input; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Dropout>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
};

}  // namespace sluice
