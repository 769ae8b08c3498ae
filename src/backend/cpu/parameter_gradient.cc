#include "backend/cpu/parameter_gradient.h"

namespace sluice::backend::cpu {

ParameterGradient::ParameterGradient(const Build& build, size_t index)
    : store_(build.parameters), parameter_(build.step.parameters[index]) {
  const ParameterSlice& slice = parameter_.slice;
  buffer_ = parameter_.gradient == GradientUse::kAdded
                ? build.memory.add(slice.size, build.backward_time, build.backward_time)
                : build.memory.elsewhere(store_.gradients_of(slice));
}

void ParameterGradient::done() const {
  const ParameterSlice& slice = parameter_.slice;
  if (parameter_.gradient == GradientUse::kAdded) store_.add_to_gradient(slice, data());
  if (parameter_.is_complete) store_.gradient_complete(slice);
}

}  // namespace sluice::backend::cpu
