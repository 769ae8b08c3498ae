// A convolution's kernel and bias with the batch normalization behind it, for inference:
//
//   s_f = gamma_f / sqrt(variance_f + epsilon)
//   kernel'[.., f] = kernel[.., f] s_f          bias'_f = (bias_f - mean_f) s_f + beta_f
//
// made anew when the parameters have changed.
#pragma once

#include "backend/cpu/kernel.h"
#include "core/aligned_buffer.h"

namespace sluice::backend::cpu {

class FoldedNorm {
 public:
  // Both ops outlive it.
  FoldedNorm(const Build& build, const Conv2DOp& conv, const BatchNormOp& norm, int64_t filters);

  Buffer* kernel() const { return kernel_buffer_; }  // as Keras has it
  Buffer* bias() const { return bias_buffer_; }
  // Before each use of them.
  void refresh();

 private:
  ParameterStore& parameters_;
  const Conv2DOp& conv_;
  const BatchNormOp& norm_;
  const size_t filters_;
  core::AlignedBuffer kernel_, bias_, scale_;
  Buffer* kernel_buffer_;
  Buffer* bias_buffer_;
  uint64_t version_ = 0;
};

}  // namespace sluice::backend::cpu
