#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// What a Dropout is told; `rate` may also come first, by itself.
struct DropoutOptions {
  // The probability that an element is zeroed, at least 0 and below 1; required.
  std::optional<double> rate = {};
  // Of the masks. None: from the layer's name, so that two dropouts in a model draw different
  // masks.
  std::optional<int64_t> seed = {};
  // The mask's sizes, the batch first: 1 for an axis whose elements are kept or zeroed together, 0
  // (Keras' None) or the input's size for one whose elements are not. Empty: each by itself.
  std::vector<int64_t> noise_shape = {};
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
// Throws std::invalid_argument unless 0 <= rate < 1, and when it is missing or given twice; adding
// the layer throws ShapeError for a noise_shape that is not the input's, or that knows the batch's
// size. Keras: keras.layers.Dropout.
class Dropout final : public Layer {
 public:
  explicit Dropout(const DropoutOptions& options);
  explicit Dropout(double rate, const DropoutOptions& options = {});
  // From Keras' config: {"rate"}, and others unless they are null. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  double rate() const { return rate_; }
  // As given; none: the layer's name decides.
  std::optional<int64_t> seed() const { return seed_; }

  std::string class_name() const override { return "Dropout"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Dropout>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
  std::vector<int64_t> noise_shape_;
};

// As in Dropout.
struct SpatialDropoutOptions {
  std::optional<double> rate = {};
  std::optional<int64_t> seed = {};
  std::string name = {};  // empty: spatial_dropout1d, spatial_dropout1d_1, ...
};

// Dropout of whole features: all steps of one are kept, or zeroed.
//
//   x [N, T, C]      the mask is [N, 1, C]
//
// Throws as Dropout; adding the layer throws ShapeError unless the input is [T, C].
// Keras: keras.layers.SpatialDropout1D.
class SpatialDropout1D final : public Layer {
 public:
  explicit SpatialDropout1D(const SpatialDropoutOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "SpatialDropout1D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<SpatialDropout1D>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
};

// Dropout of whole channels: all pixels of one are kept, or zeroed (Tompson et al., 2014).
//
//   x [N, H, W, C]      the mask is [N, 1, 1, C]
//
// Throws as Dropout; adding the layer throws ShapeError unless the input is [H, W, C].
// Keras: keras.layers.SpatialDropout2D, channels last.
class SpatialDropout2D final : public Layer {
 public:
  explicit SpatialDropout2D(const SpatialDropoutOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "SpatialDropout2D"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<SpatialDropout2D>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
};

}  // namespace sluice
