#include "backend/normalization.h"

#include <vector>

namespace sluice::backend {
namespace {

struct Strided {
  NormalizeOp::Axis axis;
  int64_t stride = 0, group_stride = 0, weight_stride = 0;
};

// Axes of one kind that lie side by side are one.
std::vector<Strided> merged(const std::vector<NormalizeOp::Axis>& view) {
  std::vector<Strided> axes;
  for (const NormalizeOp::Axis& axis : view) {
    if (axis.size == 1) continue;
    const bool joins = !axes.empty() && axes.back().axis.normalized == axis.normalized &&
                       axes.back().axis.weighted == axis.weighted;
    if (joins) {
      axes.back().axis.size *= axis.size;
    } else {
      axes.push_back({axis});
    }
  }
  int64_t stride = 1, group_stride = 1, weight_stride = 1;
  for (size_t k = axes.size(); k-- > 0;) {
    const NormalizeOp::Axis& axis = axes[k].axis;
    axes[k].stride = stride;
    stride *= axis.size;
    if (!axis.normalized) {
      axes[k].group_stride = group_stride;
      group_stride *= axis.size;
    }
    if (axis.weighted) {
      axes[k].weight_stride = weight_stride;
      weight_stride *= axis.size;
    }
  }
  return axes;
}

void add(NormalizationWalk& walk, const Strided& axis, int64_t other_stride) {
  walk.axes[walk.count++] = {axis.axis.size, axis.stride, other_stride};
  walk.size *= axis.axis.size;
}

}  // namespace

NormalizationShape normalization_of(const NormalizeOp& op) {
  NormalizationShape shape{.kind = op.kind,
                           .epsilon = static_cast<float>(op.epsilon),
                           .groups = {},
                           .elements = {},
                           .weights = {},
                           .shares = {}};
  for (const Strided& axis : merged(op.view)) {
    shape.sample *= axis.axis.size;
    add(axis.axis.normalized ? shape.elements : shape.groups, axis, axis.weight_stride);
    add(axis.axis.weighted ? shape.weights : shape.shares, axis, axis.group_stride);
  }
  return shape;
}

}  // namespace sluice::backend
