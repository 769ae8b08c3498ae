#include "backend/cpu/parameter_gradient.h"

namespace sluice::backend::cpu {

ParameterGradient::ParameterGradient(const Build& build, size_t index)
    : store_(&build.parameters), parameter_(&build.step.parameters[index]) {
  const ParameterSlice& slice = parameter_->slice;
  buffer_ = parameter_->gradient == GradientUse::kWritten
                ? build.memory.elsewhere(store_->gradients_of(slice))
                : build.memory.add(slice.size, build.backward_time, build.backward_time);
}

std::optional<ParameterGradient> ParameterGradient::if_wanted(const Build& build, size_t index) {
  const bool wanted = index < build.step.parameters.size() &&
                      build.step.parameters[index].gradient != GradientUse::kNone;
  return wanted ? std::optional(ParameterGradient(build, index)) : std::nullopt;
}

void ParameterGradient::done() const {
  const ParameterSlice& slice = parameter_->slice;
  if (parameter_->gradient == GradientUse::kAdded) store_->add_to_gradient(slice, data());
  if (parameter_->is_complete) store_->gradient_complete(slice);
}

}  // namespace sluice::backend::cpu
