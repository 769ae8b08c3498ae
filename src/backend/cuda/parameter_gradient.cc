#include "backend/cuda/parameter_gradient.h"

namespace sluice::backend::cuda {

ParameterGradient::ParameterGradient(const Build& build, size_t index)
    : parameter_(build.step.parameters[index]),
      gradient_(build.parameters.gradients_of(parameter_.slice)) {
  if (parameter_.gradient != GradientUse::kAdded) return;
  own_ = build.memory.add(parameter_.slice.size, build.backward_time, build.backward_time);
}

void ParameterGradient::done(cudaStream_t stream) const {
  if (own_ == nullptr) return;
  add(Type::kFloat32, static_cast<int64_t>(parameter_.slice.size), own_->data, gradient_, gradient_,
      stream);
}

}  // namespace sluice::backend::cuda
