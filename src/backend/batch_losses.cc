#include "backend/batch_losses.h"

#include <fmt/core.h>

#include <vector>

#include "sluice/errors.h"

namespace sluice::backend::batch_losses {
namespace {

const LossAxes* axes_of(const LossSpec& spec) {
  if (const auto* dice = std::get_if<Dice>(&spec.loss)) return &dice->axis;
  if (const auto* tversky = std::get_if<Tversky>(&spec.loss)) return &tversky->axis;
  return nullptr;
}

[[noreturn]] void fail(const LossSpec& loss, const Shape& output, const std::string& what) {
  throw ShapeError(
      fmt::format("loss \"{}\": {}; a batch of outputs {} has the axes 0 (its samples) "
                  "to {}",
                  loss.name(), what, output.to_string(), output.rank()));
}

}  // namespace

Kept kept_axes(const LossSpec& loss, const Shape& output) {
  const LossAxes* axes = axes_of(loss);
  if (axes == nullptr || axes->size == 0) return {};
  const auto rank = static_cast<int>(output.rank()) + 1;
  std::vector<bool> summed(static_cast<size_t>(rank));
  for (size_t i = 0; i < axes->size; ++i) {
    const int axis = axes->axes[i];
    const int from_first = axis < 0 ? axis + rank : axis;
    if (from_first < 0 || from_first >= rank) {
      fail(loss, output, fmt::format("there is no axis {}", axis));
    }
    if (summed[static_cast<size_t>(from_first)]) {
      fail(loss, output, fmt::format("the axis {} is there twice", axis));
    }
    summed[static_cast<size_t>(from_first)] = true;
  }
  Kept kept{.samples = !summed.front(), .positions = false, .outputs = rank > 1 && !summed.back()};
  for (size_t axis = 1; axis + 1 < summed.size(); ++axis) {
    if (axis > 1 && kept.positions == summed[axis]) {
      fail(loss, output, "takes all axes between the samples and the last, or none of them");
    }
    kept.positions = !summed[axis];
  }
  return kept;
}

}  // namespace sluice::backend::batch_losses
