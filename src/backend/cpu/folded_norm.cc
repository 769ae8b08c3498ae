#include "backend/cpu/folded_norm.h"

#include <cmath>

namespace sluice::backend::cpu {

FoldedNorm::FoldedNorm(const Build& build, const Conv2DOp& conv, const BatchNormOp& norm,
                       int64_t filters)
    : parameters_(build.parameters),
      conv_(conv),
      norm_(norm),
      filters_(static_cast<size_t>(filters)),
      kernel_(conv.kernel.size),
      bias_(filters_),
      scale_(filters_),
      kernel_buffer_(build.memory.elsewhere(kernel_.data())),
      bias_buffer_(build.memory.elsewhere(bias_.data())) {}

void FoldedNorm::refresh() {
  if (version_ == parameters_.version()) return;
  const auto values_of = [this](const std::optional<ParameterSlice>& slice) -> const float* {
    return slice ? parameters_.values_of(*slice) : nullptr;
  };
  const float* const mean = parameters_.values_of(norm_.mean);
  const float* const variance = parameters_.values_of(norm_.variance);
  const float* const gamma = values_of(norm_.gamma);
  const float* const beta = values_of(norm_.beta);
  const float* const bias = values_of(conv_.bias);
  for (size_t f = 0; f < filters_; ++f) {
    const double scale = (gamma == nullptr ? 1.0 : static_cast<double>(gamma[f])) /
                         std::sqrt(static_cast<double>(variance[f]) + norm_.epsilon);
    const double moved =
        (bias == nullptr ? 0.0 : static_cast<double>(bias[f])) - static_cast<double>(mean[f]);
    scale_.data()[f] = static_cast<float>(scale);
    bias_.data()[f] =
        static_cast<float>(moved * scale + (beta == nullptr ? 0.0 : static_cast<double>(beta[f])));
  }
  const float* from = parameters_.values_of(conv_.kernel);
  float* to = kernel_.data();
  for (size_t rows = conv_.kernel.size / filters_; rows > 0; --rows) {
    for (size_t f = 0; f < filters_; ++f) to[f] = from[f] * scale_.data()[f];
    from += filters_;
    to += filters_;
  }
  version_ = parameters_.version();
}

}  // namespace sluice::backend::cpu
