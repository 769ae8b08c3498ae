#include "backend/interpolation.h"

#include <cmath>
#include <numbers>

namespace sluice::backend {
namespace {

using Kind = InterpolateOp::Kind;

int64_t radius_of(Kind kind) {
  switch (kind) {
    case Kind::kLinear:
      return 1;
    case Kind::kCubic:
      return 2;
    case Kind::kLanczos3:
      return 3;
    default:
      return 5;
  }
}

double sinc(double x) {
  const double angle = std::numbers::pi * x;
  return angle == 0 ? 1 : std::sin(angle) / angle;
}

// f(d)
double weight_at(Kind kind, double distance) {
  const double d = std::fabs(distance);
  const auto radius = static_cast<double>(radius_of(kind));
  if (d >= radius) return 0;
  if (kind == Kind::kLinear) return 1 - d;
  if (kind != Kind::kCubic) return sinc(d) * sinc(d / radius);
  return d < 1 ? (1.5 * d - 2.5) * d * d + 1 : ((-0.5 * d + 2.5) * d - 4) * d + 2;
}

}  // namespace

Interpolation interpolation_of(const InterpolateOp& op, int64_t batch, const Shape& x,
                               Layout layout) {
  Interpolation result{
      .outer = batch, .n = x[op.axis], .factor = op.factor, .radius = radius_of(op.kind)};
  for (int k = 0; k < op.axis; ++k) result.outer *= x[k];
  for (int k = op.axis + 1; k < x.rank(); ++k) result.inner *= x[k];
  if (layout == Layout::kBlocked16) {  // channels, the last axis, in front and behind
    result.outer *= x[2] / kChannelBlock;
    result.inner /= x[2] / kChannelBlock;
  }
  return result;
}

std::vector<float> interpolation_weights(const InterpolateOp& op, const Interpolation& shape) {
  std::vector<float> weights;
  for (int64_t o = 0; o < shape.n * shape.factor; ++o) {
    const double at = (static_cast<double>(o) + 0.5) / static_cast<double>(shape.factor) - 0.5;
    std::vector<double> own;
    double sum = 0;
    const int64_t first = shape.first(o / shape.factor, o % shape.factor);
    for (int64_t i = first; i < first + shape.taps(); ++i) {
      const bool is_there = i >= 0 && i < shape.n;
      own.push_back(is_there ? weight_at(op.kind, at - static_cast<double>(i)) : 0);
      sum += own.back();
    }
    for (const double weight : own) weights.push_back(static_cast<float>(weight / sum));
  }
  return weights;
}

std::vector<float> interpolation_matrix(const InterpolateOp& op, int64_t n) {
  const Interpolation shape{.n = n, .factor = op.factor, .radius = radius_of(op.kind)};
  const std::vector<float> weights = interpolation_weights(op, shape);
  std::vector<float> matrix(static_cast<size_t>(n * n * op.factor), 0.0f);
  for (int64_t o = 0; o < n * op.factor; ++o) {
    for (int64_t tap = 0; tap < shape.taps(); ++tap) {
      const int64_t i = shape.first(o / op.factor, o % op.factor) + tap;
      if (i < 0 || i >= n) continue;
      matrix[static_cast<size_t>(o * n + i)] = weights[static_cast<size_t>(o * shape.taps() + tap)];
    }
  }
  return matrix;
}

}  // namespace sluice::backend
