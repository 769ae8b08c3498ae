#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct GlobalPoolingOptions {
  bool keepdims = false;  // whether the axes that were pooled stay, with size 1
  std::string name = {};  // empty: global_average_pooling2d, global_average_pooling2d_1, ...
};

// What the global poolings share: one value for each channel.
//
//   2D:  x [N, H, W, C]      y [N, C]; with keepdims [N, 1, 1, C]
//   1D:  x [N, L, C]         y [N, C]; with keepdims [N, 1, C]
//
// No weights. Adding the layer throws ShapeError for an input of another rank.
class GlobalPooling : public Layer {
 public:
  const GlobalPoolingOptions& options() const { return options_; }

  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  void lower(nn::GraphBuilder& builder) const override;

 protected:
  enum class Kind { kMax, kAverage };
  // `rank`: axes that are pooled.
  GlobalPooling(Kind kind, int rank, const GlobalPoolingOptions& options)
      : Layer(options.name), options_(options), kind_(kind), rank_(rank) {}
  static GlobalPoolingOptions options_from(const Config& config);

 private:
  GlobalPoolingOptions options_;
  Kind kind_;
  int rank_;
};

// The mean of each channel over the image.
//
//   y[n, c] = mean over h, w of x[n, h, w, c]
//
// Lin et al., 2013. Keras: keras.layers.GlobalAveragePooling2D.
class GlobalAveragePooling2D final : public GlobalPooling {
 public:
  explicit GlobalAveragePooling2D(const GlobalPoolingOptions& options = {})
      : GlobalPooling(Kind::kAverage, 2, options) {}
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config) {
    return std::make_unique<GlobalAveragePooling2D>(options_from(config));
  }

  std::string class_name() const override { return "GlobalAveragePooling2D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GlobalAveragePooling2D>(*this);
  }
};

// The mean of each channel over the sequence.
//
//   y[n, c] = mean over l of x[n, l, c]
// Keras: keras.layers.GlobalAveragePooling1D.
class GlobalAveragePooling1D final : public GlobalPooling {
 public:
  explicit GlobalAveragePooling1D(const GlobalPoolingOptions& options = {})
      : GlobalPooling(Kind::kAverage, 1, options) {}
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config) {
    return std::make_unique<GlobalAveragePooling1D>(options_from(config));
  }

  std::string class_name() const override { return "GlobalAveragePooling1D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GlobalAveragePooling1D>(*this);
  }
};

// The largest value of each channel in the image.
//
//   y[n, c] = max over h, w of x[n, h, w, c]
//
// The gradient goes to the first of the largest, row by row (in Keras on TensorFlow equally to all
// of them); with NaN in it the channel gives NaN. Keras: keras.layers.GlobalMaxPooling2D.
class GlobalMaxPooling2D final : public GlobalPooling {
 public:
  explicit GlobalMaxPooling2D(const GlobalPoolingOptions& options = {})
      : GlobalPooling(Kind::kMax, 2, options) {}
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config) {
    return std::make_unique<GlobalMaxPooling2D>(options_from(config));
  }

  std::string class_name() const override { return "GlobalMaxPooling2D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GlobalMaxPooling2D>(*this);
  }
};

// The largest value of each channel in the sequence, as GlobalMaxPooling2D.
//
//   y[n, c] = max over l of x[n, l, c]
// Keras: keras.layers.GlobalMaxPooling1D.
class GlobalMaxPooling1D final : public GlobalPooling {
 public:
  explicit GlobalMaxPooling1D(const GlobalPoolingOptions& options = {})
      : GlobalPooling(Kind::kMax, 1, options) {}
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config) {
    return std::make_unique<GlobalMaxPooling1D>(options_from(config));
  }

  std::string class_name() const override { return "GlobalMaxPooling1D"; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<GlobalMaxPooling1D>(*this);
  }
};

}  // namespace sluice
