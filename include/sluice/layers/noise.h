// Layers that are noise in training and nothing in inference, but for Dropout (sluice/layers/
// dropout.h). The output has the input's shape; no weights. What is drawn is a function of the seed
// and of how many steps a replica has trained, so that a training can be repeated; without a seed
// the layer's name decides.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// What a GaussianNoise is told.
struct GaussianNoiseOptions {
  std::optional<double> stddev = {};  // at least 0; required
  std::optional<int64_t> seed = {};
  std::string name = {};  // empty: gaussian_noise, gaussian_noise_1, ...
};

// Normal numbers are added.
//
//   training    y = x + stddev z, z normal with mean 0 and variance 1
//   inference   y = x
//
// Throws std::invalid_argument for a negative stddev, and when it is missing.
// Keras: keras.layers.GaussianNoise.
class GaussianNoise final : public Layer {
 public:
  explicit GaussianNoise(const GaussianNoiseOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "GaussianNoise"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override { return input; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<GaussianNoise>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double stddev_;
  std::optional<int64_t> seed_;
};

// What a GaussianDropout is told.
struct GaussianDropoutOptions {
  std::optional<double> rate = {};  // at least 0 and below 1; required
  std::optional<int64_t> seed = {};
  std::string name = {};  // empty: gaussian_dropout, gaussian_dropout_1, ...
};

// Elements are multiplied by normal numbers of the mean and variance that Dropout's factors have
// (Srivastava et al., 2014).
//
//   training    y = x (1 + sqrt(rate / (1 - rate)) z), z normal with mean 0 and variance 1
//   inference   y = x
//
// Throws std::invalid_argument unless 0 <= rate < 1. Keras: keras.layers.GaussianDropout.
class GaussianDropout final : public Layer {
 public:
  explicit GaussianDropout(const GaussianDropoutOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "GaussianDropout"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override { return input; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<GaussianDropout>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
};

// What an AlphaDropout is told.
struct AlphaDropoutOptions {
  std::optional<double> rate = {};  // at least 0 and below 1; required
  std::optional<int64_t> seed = {};
  std::vector<int64_t> noise_shape = {};  // as in Dropout
  std::string name = {};                  // empty: alpha_dropout, alpha_dropout_1, ...
};

// Dropout behind SELU: what it drops becomes the lowest that SELU gives, and mean and variance of
// the elements stay 0 and 1 (Klambauer et al., 2017).
//
//   training    y = a x + b, or a l + b with probability `rate`, l = -1.7581,
//               a = 1 / sqrt((1 - rate) (1 + rate l^2)), b = -a l rate
//   inference   y = x
//
// Throws as Dropout. Keras: keras.layers.AlphaDropout.
class AlphaDropout final : public Layer {
 public:
  explicit AlphaDropout(const AlphaDropoutOptions& options);
  // From Keras' config. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "AlphaDropout"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<AlphaDropout>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double rate_;
  std::optional<int64_t> seed_;
  std::vector<int64_t> noise_shape_;
};

}  // namespace sluice
