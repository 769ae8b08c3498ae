#include "backend/rearrangement.h"

#include <algorithm>
#include <vector>

namespace sluice::backend {
namespace {

using Axis = Rearrangement::Axis;

bool is_whole(const Axis& axis) {
  return axis.repeat == 1 && axis.before == 0 && axis.size == axis.in_size;
}

// Makes one axis of two, the inner one last, where that moves the same elements; whether it did.
bool merge(Axis& outer, const Axis& inner) {
  const bool lies_inside = outer.in_stride == inner.in_size * inner.in_stride;
  const bool moves_rows = lies_inside && is_whole(inner) && outer.repeat == 1;
  // One element for all of both.
  const auto is_spread = [](const Axis& axis) {
    return axis.in_size == 1 && axis.before == 0 && axis.size == axis.repeat;
  };
  if (!moves_rows && !(is_spread(outer) && is_spread(inner))) return false;
  outer.before *= inner.size;
  if (is_spread(outer)) outer.repeat *= inner.repeat;
  outer.size *= inner.size;
  outer.in_size *= inner.in_size;
  outer.in_stride = inner.in_stride;
  return true;
}

// [N, H, W, C] as [N, C/16, H, W, 16]: the axes of the graph's shapes with the batch in front.
std::vector<Axis> in_blocks(const std::vector<Axis>& axes) {
  const Axis channels = axes[3];
  Axis blocks = channels, block = channels;
  blocks.size = blocks.in_size = channels.size / kChannelBlock;
  block.size = block.in_size = kChannelBlock;
  return {axes[0], blocks, axes[1], axes[2], block};
}

// Strides of row-major x in the order of its axes, given by which axis of y each becomes.
void set_in_strides(std::vector<Axis>& axes, const std::vector<size_t>& order) {
  int64_t stride = 1;
  for (size_t k = order.size(); k-- > 0;) {
    axes[order[k]].in_stride = stride;
    stride *= axes[order[k]].in_size;
  }
}

}  // namespace

Rearrangement rearrangement_of(const RearrangeOp& op, int64_t batch, const Shape& x, const Shape& y,
                               Layout layout) {
  std::vector<Axis> axes{{batch, 0, batch, 0, 1, 0}};
  std::vector<size_t> order(op.axes.size() + 1, 0);
  for (size_t k = 0; k < op.axes.size(); ++k) {
    const RearrangeOp::Axis& axis = op.axes[k];
    axes.push_back({y[static_cast<int>(k)], 0, x[axis.from], 0, axis.repeat, axis.before});
    order[static_cast<size_t>(axis.from) + 1] = k + 1;
  }
  if (layout == Layout::kBlocked16) {  // H and W may change places
    axes = in_blocks(axes);
    order = {0, 1, order[1] + 1, order[2] + 1, 4};
  }
  set_in_strides(axes, order);
  Rearrangement result;
  result.size = batch * y.size();
  result.in_size = batch * x.size();
  for (const Axis& axis : axes) {
    if (axis.size == 1 && axis.in_size == 1 && axis.before == 0) continue;
    if (result.count > 0 && merge(result.axes[result.count - 1], axis)) continue;
    result.axes[result.count++] = axis;
  }
  if (result.count == 0) result.axes[result.count++] = {1, 1, 1, 1, 1, 0};
  int64_t stride = 1;
  for (int k = result.count; k-- > 0;) {
    result.axes[k].stride = stride;
    stride *= result.axes[k].size;
  }
  return result;
}

Rearrangement in_order_of_input(Rearrangement rearrangement) {
  // Those of one element have their neighbour's stride, and may stand anywhere.
  std::stable_sort(rearrangement.axes, rearrangement.axes + rearrangement.count,
                   [](const Axis& a, const Axis& b) {
                     return a.in_stride * a.in_size > b.in_stride * b.in_size;
                   });
  return rearrangement;
}

}  // namespace sluice::backend
