#include "backend/concatenation.h"

namespace sluice::backend {
namespace {

// As it lies in memory: an image in blocks is [C/16, H, W, 16].
std::vector<int64_t> sizes_of(const Value& value) {
  const Shape& shape = value.shape;
  if (value.layout == Layout::kPlain) return shape.dims();
  return {shape[2] / kChannelBlock, shape[0], shape[1], kChannelBlock};
}

}  // namespace

Concatenation concatenation_of(const ConcatenateOp& op, int64_t batch, const StepValues& values) {
  const bool in_blocks = values.y.layout == Layout::kBlocked16;
  const auto axis = static_cast<size_t>(in_blocks ? (op.axis + 1) % 3 : op.axis);
  Concatenation result;
  result.rows = batch;
  const std::vector<int64_t> sizes = sizes_of(values.y);
  for (size_t k = 0; k < axis; ++k) result.rows *= sizes[k];
  for (const Value& x : values.x) {
    result.pieces.push_back(batch * x.shape.size() / result.rows);
    result.columns += result.pieces.back();
  }
  return result;
}

}  // namespace sluice::backend
