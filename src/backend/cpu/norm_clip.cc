#include "backend/cpu/norm_clip.h"

#include <algorithm>
#include <numeric>

#include "backend/cpu/parallel.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

constexpr size_t kNormBlock = 16384;  // floats

// In eight sums, which a vector holds. The square of a float is exact in a double.
SLUICE_SIMD double sum_of_squares(const float* x, size_t n) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (size_t k = 0; k < kSums; ++k) {
      sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
    }
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  for (const double part : sums) sum += part;
  return sum;
}

SLUICE_SIMD void scale_by(float scale, size_t n, float* x) {
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

}  // namespace

NormClipper::NormClipper(const optim::NormClip& clip, std::vector<ParameterSlice> parameters,
                         int threads)
    : clip_(clip), parameters_(std::move(parameters)), threads_(threads) {
  if (!is_needed()) return;
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const ParameterSlice& slice = parameters_[p];
    for (size_t at = 0; at < slice.size; at += kNormBlock) {
      blocks_.push_back({p, slice.offset + at, std::min(kNormBlock, slice.size - at)});
    }
  }
  block_squares_.resize(blocks_.size());
  squares_.resize(parameters_.size());
}

void NormClipper::clip(std::span<float> gradients) {
  const auto count = static_cast<int64_t>(blocks_.size());
  const auto for_blocks = [&](const auto& f) {
    parallel_for(threads_, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f(static_cast<size_t>(i));
    });
  };
  for_blocks([&](size_t i) {
    block_squares_[i] = sum_of_squares(gradients.data() + blocks_[i].begin, blocks_[i].size);
  });
  std::ranges::fill(squares_, 0.0);
  for (size_t i = 0; i < blocks_.size(); ++i) squares_[blocks_[i].parameter] += block_squares_[i];
  const double all = std::accumulate(squares_.begin(), squares_.end(), 0.0);
  for_blocks([&](size_t i) {
    const Block& block = blocks_[i];
    const auto scale = static_cast<float>(optim::clip_scale(clip_, squares_[block.parameter], all));
    if (scale != 1) scale_by(scale, block.size, gradients.data() + block.begin);
  });
}

}  // namespace sluice::backend::cpu
