#include "backend/noise.h"

#include <algorithm>
#include <cmath>

namespace sluice::backend {
namespace {

using Axis = Noise::Axis;

void set_axes(Noise& noise, const std::vector<bool>& shared, int64_t batch, const Shape& shape,
              Layout layout) {
  std::vector<Axis> axes{{batch, 0}};
  for (const int64_t size : shape.dims()) axes.push_back({size, 0});
  int64_t stride = 1;
  for (size_t k = axes.size(); k-- > 0;) {
    if (k < shared.size() && shared[k]) continue;
    axes[k].stride = stride;
    stride *= axes[k].size;
  }
  if (layout == Layout::kBlocked16) {
    Axis& channels = axes.back();
    const Axis blocks{channels.size / kChannelBlock, channels.stride * kChannelBlock};
    channels.size = kChannelBlock;
    axes.insert(axes.begin() + 1, blocks);
  }
  for (const Axis& axis : axes) {
    if (axis.size == 1) continue;
    Axis* before = noise.count > 0 ? &noise.axes[noise.count - 1] : nullptr;
    if (before != nullptr && before->stride == axis.size * axis.stride) {
      *before = {before->size * axis.size, axis.stride};
    } else {
      noise.axes[noise.count++] = axis;
    }
  }
  if (noise.count == 0) noise.axes[noise.count++] = {1, 1};
}

}  // namespace

Noise noise_of(const NoiseOp& op, int64_t batch, const Shape& shape, Layout layout) {
  Noise noise;
  noise.size = batch * shape.size();
  set_axes(noise, op.shared, batch, shape, layout);
  noise.threshold = static_cast<uint32_t>(
      std::min(std::ldexp(static_cast<double>(op.strength), 32), 4294967295.0));
  switch (op.kind) {
    case NoiseOp::Kind::kDropout:
      noise.factor = 1.0f / (1.0f - op.strength);
      break;
    case NoiseOp::Kind::kAlphaDropout: {
      constexpr double kLowest = -1.7580993408473766;  // what SELU tends to
      const double rate = op.strength;
      const double scale = 1 / std::sqrt((1 - rate) * (1 + rate * kLowest * kLowest));
      noise.factor = static_cast<float>(scale);
      noise.kept = static_cast<float>(-scale * kLowest * rate);
      noise.dropped = static_cast<float>(scale * kLowest * (1 - rate));
      break;
    }
    case NoiseOp::Kind::kGaussianDropout:
      noise.is_normal = true;
      noise.spread = std::sqrt(op.strength / (1.0f - op.strength));
      break;
    case NoiseOp::Kind::kGaussianNoise:
      noise.is_normal = true;
      noise.shift = op.strength;
      break;
  }
  return noise;
}

}  // namespace sluice::backend
