#pragma once

#include <memory>
#include <string>

#include "sluice/layer.h"

namespace sluice {

// Keras' arguments with Keras' defaults.
struct ActivityRegularizationOptions {
  double l1 = 0, l2 = 0;  // at least 0
  std::string name = {};  // empty: activity_regularization, activity_regularization_1, ...
};

// Adds a penalty of its inputs to the loss, the mean over the samples of
//
//   l1 sum |x| + l2 sum x^2
//
// in training and in evaluate(), and gives them as they are: y = x [N, ...]. Samples' weights do
// not change it. Layers with weights have the same as their activity_regularizer.
//
// Throws std::invalid_argument for options below 0. Keras: keras.layers.ActivityRegularization.
class ActivityRegularization final : public Layer {
 public:
  explicit ActivityRegularization(const ActivityRegularizationOptions& options = {});
  // From Keras' config; what is absent has the default. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "ActivityRegularization"; }
  Config config() const override { return Config().set("l1", l1_).set("l2", l2_); }
  Shape output_shape(const Shape& input) const override { return input; }
  std::unique_ptr<Layer> clone() const override {
    return std::make_unique<ActivityRegularization>(*this);
  }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  double l1_, l2_;
};

}  // namespace sluice
