#include "backend/values.h"

#include <algorithm>

namespace sluice::backend {
namespace {

// When a tensor is written for the first time, and read for the last.
int last_use(const Plan& plan, const Tensor& tensor) {
  int last = tensor.step ? plan.forward_time(*tensor.step) : 0;
  if (tensor.is_output) last = plan.loss_time();
  for (const size_t reader : tensor.readers) {
    last = std::max(last, plan.last_time(reader));
  }
  if (tensor.has_gradient) last = std::max(last, plan.backward_time(*tensor.step));
  return last;
}

// When the first of the tensor's gradients is written.
int first_gradient(const Plan& plan, const Tensor& tensor) {
  if (tensor.is_output) return plan.loss_time();
  return plan.backward_time(tensor.readers.back());
}

}  // namespace

Values::Values(const Plan& plan, int64_t batch, MemoryPlan& memory)
    : input_(memory.elsewhere(nullptr)) {
  std::vector<Value> values;
  for (const Tensor& tensor : plan.tensors) {
    Value value{.shape = tensor.shape,
                .type = tensor.type,
                .layout = tensor.layout,
                .activation = tensor.activation,
                .reader_differentiates = tensor.reader_differentiates};
    const size_t size = floats_for(tensor.type, static_cast<size_t>(batch * tensor.shape.size()));
    if (tensor.step) {
      value.data = memory.add(size, plan.forward_time(*tensor.step), last_use(plan, tensor));
    } else {
      value.data = input_;
    }
    if (tensor.has_gradient) {
      value.gradient =
          memory.add(size, first_gradient(plan, tensor), plan.backward_time(*tensor.step));
    }
    values.push_back(std::move(value));
  }
  output_ = values[plan.output];
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    StepValues& mine = steps_.emplace_back();
    mine.y = values[step.output];
    for (const Step::Input& input : step.inputs) {
      Value& x = mine.x.emplace_back(values[input.tensor]);
      x.shape = input.shape;
      if (input.gradient != GradientUse::kAdded) continue;
      const int64_t size = batch * x.shape.size();
      const int time = plan.backward_time(i);
      Buffer* own = memory.add(floats_for(x.type, static_cast<size_t>(size)), time, time);
      mine.sums.push_back({own, x.gradient, x.type, size});
      x.gradient = own;
    }
  }
}

}  // namespace sluice::backend
