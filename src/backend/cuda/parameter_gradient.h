// One parameter's gradient as one operation computes it.
#pragma once

#include <cstddef>

#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {

class ParameterGradient {
 public:
  // Of the step's parameter `index` (OpTraits::parameters). Plans memory of its own where the
  // gradient adds to that of another step with the same parameter.
  ParameterGradient(const Build& build, size_t index);

  // Whether anybody needs it: it belongs to what is trained.
  bool is_wanted() const { return parameter_.gradient != GradientUse::kNone; }
  // Where the operation writes all of it. Once the buffers are bound.
  float* data() const { return own_ == nullptr ? gradient_ : own_->data; }
  // It has been written on that stream.
  void done(cudaStream_t stream) const;

 private:
  const Step::Parameter& parameter_;
  float* const gradient_;
  Buffer* own_ = nullptr;
};

}  // namespace sluice::backend::cuda
