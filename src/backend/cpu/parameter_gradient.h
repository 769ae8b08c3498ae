// One parameter's gradient as one kernel computes it.
#pragma once

#include <cstddef>
#include <optional>

#include "backend/cpu/kernel.h"

namespace sluice::backend::cpu {

class ParameterGradient {
 public:
  // Of the step's parameter `index` (OpTraits::parameters). Plans memory of its own where the
  // gradient adds to that of another step with the same parameter, or nobody needs it.
  ParameterGradient(const Build& build, size_t index);
  // None where nobody needs it: the parameter is not trained.
  static std::optional<ParameterGradient> if_wanted(const Build& build, size_t index);

  // Whether no other step has the parameter, so that its gradient need not go to memory: pieces of
  // it may be given to ParameterStore::apply() instead of done().
  bool is_alone() const {
    return parameter_->gradient == GradientUse::kWritten && parameter_->is_complete;
  }

  // Where the kernel writes all of it.
  Buffer* buffer() const { return buffer_; }
  float* data() const { return buffer_->data; }
  // It has been written, and the kernel reads the parameter no more in this step.
  void done() const;

 private:
  ParameterStore* store_;
  const Step::Parameter* parameter_;
  Buffer* buffer_;
};

}  // namespace sluice::backend::cpu
