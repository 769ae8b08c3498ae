#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// What a Dropout is told; `rate` may also come first, by itself.
struct DropoutOptions {
  // The probability that an element is zeroed, at least 0 and below 1; required.
  std::optional<double> rate = {};
  // Of the masks. None: from the layer's name, so that two dropouts in a model draw different
  // masks.
  std::optional<int64_t> seed = {};
  std::string name = {};  // empty: dropout, dropout_1, ...
};

// Regularization by noise (Srivastava et al., 2014).
//
//   training    y = x / (1 - rate), or 0 with probability `rate`, for each element by itself
//   inference   y = x: in evaluate(), predict() and validation
//
// The output has the input's shape; no weights. The masks are a function of the seed and of how
// many steps a replica has trained, so that a training can be repeated bit for bit.
//
//   model.add(Dropout(0.25));      // or   Dropout({.rate = 0.25, .seed = 7})
//
// Throws std::invalid_argument unless 0 <= rate < 1, and when it is missing or given twice.
// Keras: keras.layers.Dropout, without noise_shape.
class Dropout final : public Layer {
 public:
  explicit Dropout(const DropoutOptions& options);
  explicit Dropout(double rate, const DropoutOptions& options = {});
  // From Keras' config: {"rate"}, and "seed" unless it is null. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  double rate() const { return rate_; }
  // As given; none: the layer's name decides.
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
