#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sluice/layer.h"

namespace sluice {

// What a Dot is told.
struct DotOptions {
  // Of the first input and of the second, or one number for both, counted from the batch as axis 0
  // or from the end where negative; required.
  std::vector<int64_t> axes = {};
  bool normalize = false;  // both are scaled to norm 1 along their axis first
  std::string name = {};   // empty: dot, dot_1, ...
};

// Dot products of two inputs along an axis of each, for all places along their other axes.
//
//   x_1 [N, a..., K, b...]    x_2 [N, c..., K, d...]
//   y [N, a..., b..., c..., d...]        y = sum over k of x_1[n, a, k, b] x_2[n, c, k, d]
//
//   const auto score = Dot({.axes = {1}})({user, item});                 // [N, 1], of [N, F] each
//   const auto scores = Dot({.axes = {2, 2}})({queries, keys});          // [N, Q, T]
//
// Where nothing else is left, y is [N, 1]. Normalized, with ||x|| along the axis,
//
//   x / max(||x||, 1e-7)
//
// stands for x, and y is the cosine. No weights. All products are in memory at once, K numbers for
// each of y. The constructor throws std::invalid_argument unless there are one or two axes; calling
// it throws ShapeError for other than two inputs, or inputs without the axes or with different
// sizes along them. Keras: keras.layers.Dot.
class Dot final : public Layer {
 public:
  explicit Dot(const DotOptions& options);
  // From Keras' config, of which "axes" must be there. Throws std::invalid_argument.
  static std::unique_ptr<Layer> from_config(const Config& config);

  std::string class_name() const override { return "Dot"; }
  Config config() const override;
  Shape output_shape(const Shape& input) const override;
  Shape merged_shape(std::span<const Shape> inputs) const override;
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Dot>(*this); }
  void lower(nn::GraphBuilder& builder) const override;

 private:
  // Of an input, which is the first or the second, without the batch.
  int axis_of(size_t input, const Shape& shape) const;

  DotOptions options_;
};

}  // namespace sluice
