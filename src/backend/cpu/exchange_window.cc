#include "backend/cpu/exchange_window.h"

#include <algorithm>

#include "core/check.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

SLUICE_SIMD void scaled_difference(const float* a, const float* b, float scale, float* out,
                                   size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = (a[i] - b[i]) * scale;
}

SLUICE_SIMD void sum(const float* a, const float* b, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

SLUICE_SIMD void add_to(const float* a, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] += a[i];
}

// parameters += rate (centre - parameters)
SLUICE_SIMD void pull_towards(const float* centre, float rate, float* parameters, size_t n) {
  for (size_t i = 0; i < n; ++i) parameters[i] += rate * (centre[i] - parameters[i]);
}

SLUICE_SIMD void scale_by(const float* a, float scale, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = a[i] * scale;
}

}  // namespace

void ExchangeWindow::begin(std::span<const float> parameters, std::span<const float> same) {
  summed_ = false;
  untrained_anchor_.clear();
  for (const ParameterSlice& slice : untrained_) {
    const float* values = parameters.data() + slice.offset;
    untrained_anchor_.insert(untrained_anchor_.end(), values, values + slice.size);
  }
  if (sums_gradients_) {
    if (sum_.size() == 0) sum_ = core::AlignedBuffer(size_);
    return;
  }
  anchor_ = same;
  if (!same.empty()) return;
  if (copy_.size() == 0) copy_ = core::AlignedBuffer(size_);
  std::copy(parameters.begin(), parameters.end(), copy_.data());
  anchor_ = copy_.span();
}

void ExchangeWindow::add_gradients(std::span<const float> gradients) {
  if (sum_.size() == 0) return;
  if (summed_) {
    add_to(gradients.data(), sum_.data(), size_);
  } else {
    std::copy(gradients.begin(), gradients.end(), sum_.data());
  }
  summed_ = true;
}

void ExchangeWindow::update(const UpdateSpec& spec, std::span<const float> parameters,
                            std::span<float> update) {
  SLUICE_CHECK(has_begun()) << "an update before any window has begun";
  SLUICE_CHECK(update.size() == size_) << update.size() << " of " << size_;
  if (spec.weights) {
    std::copy(parameters.begin(), parameters.end(), update.data());
  } else if (!sums_gradients_) {
    scaled_difference(parameters.data(), anchor_.data(), spec.trained, update.data(), size_);
  } else if (summed_) {
    scale_by(sum_.data(), spec.trained, update.data(), size_);
  } else {
    std::fill(update.begin(), update.end(), 0.0f);
  }
  const float* anchor = untrained_anchor_.data();
  for (const ParameterSlice& slice : untrained_) {
    scaled_difference(parameters.data() + slice.offset, anchor, spec.state,
                      update.data() + slice.offset, slice.size);
    anchor += slice.size;
  }
  last_update_ = update;
}

void ExchangeWindow::adopt(std::span<const float> centre, OwnUpdate own, float rate,
                           std::span<float> parameters) {
  SLUICE_CHECK(centre.size() == size_) << centre.size() << " of " << size_;
  if (own == OwnUpdate::kElastic) {
    pull_towards(centre.data(), rate, parameters.data(), size_);
    for (const ParameterSlice& slice : untrained_) {
      sum(&centre[slice.offset], &last_update_[slice.offset], &parameters[slice.offset],
          slice.size);
    }
  } else if (own == OwnUpdate::kMissing) {
    sum(centre.data(), last_update_.data(), parameters.data(), size_);
  } else {
    std::copy(centre.begin(), centre.end(), parameters.data());
    return begin(parameters, centre);
  }
  begin(parameters);
}

}  // namespace sluice::backend::cpu
