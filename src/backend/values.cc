#include "backend/values.h"

#include <algorithm>

namespace sluice::backend {
namespace {

// Whether the step's output is in the memory of this tensor.
bool adds_to(const Plan& plan, const Step& step, const Tensor& tensor) {
  return step.adds && &plan.tensors[step.inputs.back().tensor] == &tensor;
}

// When a tensor is written for the first time, and read for the last.
int last_use(const Plan& plan, const Tensor& tensor) {
  int last = tensor.step ? plan.forward_time(*tensor.step) : 0;
  if (tensor.is_output) last = plan.loss_time();
  for (const size_t reader : tensor.readers) {
    last = std::max(last, plan.last_time(reader));
    const Step& step = plan.steps[reader];
    if (adds_to(plan, step, tensor))
      last = std::max(last, last_use(plan, plan.tensors[step.output]));
  }
  if (tensor.has_gradient) last = std::max(last, plan.backward_time(*tensor.step));
  return last;
}

// When the first of the tensor's gradients is written.
int first_gradient(const Plan& plan, const Tensor& tensor) {
  if (tensor.is_output) return plan.loss_time();
  return plan.backward_time(tensor.readers.back());
}

// The step through which the tensor's gradient is that of what the step writes, in the same memory.
const Step* shares_with(const Plan& plan, size_t tensor) {
  for (const size_t reader : plan.tensors[tensor].readers) {
    for (const Step::Input& input : plan.steps[reader].inputs) {
      if (input.tensor == tensor && input.gradient == GradientUse::kShared) {
        return &plan.steps[reader];
      }
    }
  }
  return nullptr;
}

// When the tensor's gradient is read for the last time, by those who share its memory too.
int last_gradient(const Plan& plan, size_t tensor) {
  const size_t step = *plan.tensors[tensor].step;
  int last = plan.backward_time(step);
  for (const Step::Input& input : plan.steps[step].inputs) {
    if (input.gradient == GradientUse::kShared) {
      last = std::max(last, last_gradient(plan, input.tensor));
    }
  }
  return last;
}

// Of each tensor; nullptr where it has none.
std::vector<Buffer*> place_gradients(const Plan& plan, int64_t batch, MemoryPlan& memory) {
  std::vector<Buffer*> gradients(plan.tensors.size(), nullptr);
  for (size_t behind = plan.steps.size(); behind-- > 0;) {
    const size_t i = plan.steps[behind].output;
    const Tensor& tensor = plan.tensors[i];
    if (!tensor.has_gradient) continue;
    if (const Step* step = shares_with(plan, i)) {
      gradients[i] = gradients[step->output];
      continue;
    }
    const auto size = static_cast<size_t>(batch * tensor.shape.size());
    gradients[i] = memory.add(floats_for(tensor.type, size), first_gradient(plan, tensor),
                              last_gradient(plan, i));
  }
  return gradients;
}

// A gradient that is added to others gets memory of its own first.
std::optional<GradientSum> own_gradient(GradientUse use, Value& value, int64_t batch, int time,
                                        MemoryPlan& memory) {
  if (use != GradientUse::kAdded) return std::nullopt;
  const int64_t size = batch * value.shape.size();
  Buffer* own = memory.add(floats_for(value.type, static_cast<size_t>(size)), time, time);
  const GradientSum sum{own, value.gradient, value.type, size};
  value.gradient = own;
  return sum;
}

// What a step's kernel works on, of what the tensors are; `time` is that of its backward.
StepValues values_of(const Step& step, const std::vector<Value>& values, int64_t batch, int time,
                     MemoryPlan& memory) {
  StepValues mine;
  mine.y = values[step.output];
  for (const Step::Input& input : step.inputs) {
    Value& x = mine.x.emplace_back(values[input.tensor]);
    x.shape = input.shape;
    if (input.gradient == GradientUse::kShared) x.gradient = nullptr;
    if (input.gradient != GradientUse::kAdded) continue;
    if (step.passes_gradient) {  // without a kernel's copy of it
      mine.sums.push_back({mine.y.gradient, x.gradient, x.type, batch * x.shape.size()});
      x.gradient = nullptr;
    } else {
      mine.sums.push_back(*own_gradient(input.gradient, x, batch, time, memory));
    }
    if (!input.differentiates_sum) continue;
    mine.sums.back().activation = x.activation;
    mine.sums.back().y = x.data;
  }
  return mine;
}

}  // namespace

Values::Values(const Graph& graph, const Plan& plan, int64_t batch, MemoryPlan& memory)
    : x_(memory.elsewhere(nullptr)), y_(memory.elsewhere(nullptr)) {
  const std::vector<Value> values = place_tensors(plan, batch, memory);
  place_targets(graph, plan, batch, memory);
  const int loss_time = plan.loss_time();
  for (size_t k = 0; k < plan.outputs.size(); ++k) {
    OutputValue& output = outputs_[k];
    output.value = values[plan.outputs[k].tensor];
    output.sum = own_gradient(plan.outputs[k].gradient, output.value, batch, loss_time, memory);
  }
  for (const PlannedPenalty& planned : plan.penalties) {
    PenalizedValue& penalized =
        penalized_.emplace_back(PenalizedValue{values[planned.tensor], std::nullopt});
    penalized.sum = own_gradient(planned.gradient, penalized.value, batch, loss_time, memory);
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    steps_.push_back(values_of(plan.steps[i], values, batch, plan.backward_time(i), memory));
  }
}

std::vector<Value> Values::place_tensors(const Plan& plan, int64_t batch, MemoryPlan& memory) {
  const std::vector<Buffer*> gradients = place_gradients(plan, batch, memory);
  std::vector<Value> values;
  int64_t x_size = 0;  // of the inputs so far
  for (const Tensor& tensor : plan.tensors) {
    Value value{.gradient = gradients[values.size()],
                .shape = tensor.shape,
                .type = tensor.type,
                .layout = tensor.layout,
                .activation = tensor.activation,
                .reader_differentiates = tensor.reader_differentiates,
                .is_differentiated = tensor.reader_differentiates || tensor.sum_differentiates};
    const size_t size = floats_for(tensor.type, static_cast<size_t>(batch * tensor.shape.size()));
    if (tensor.step && plan.steps[*tensor.step].adds) {
      value.data = values[plan.steps[*tensor.step].inputs.back().tensor].data;
    } else if (tensor.step) {
      value.data = memory.add(size, plan.forward_time(*tensor.step), last_use(plan, tensor));
    } else if (plan.inputs.size() == 1) {
      value.data = x_;
    } else {
      // Inputs are the first tensors, in their order.
      const Column column{x_size, tensor.shape.size()};
      x_size += column.size;
      value.data = memory.add(size, 0, last_use(plan, tensor));
      x_splits_.push_back({column, value.data, {0, column.size}});
    }
    values.push_back(std::move(value));
  }
  return values;
}

void Values::place_targets(const Graph& graph, const Plan& plan, int64_t batch,
                           MemoryPlan& memory) {
  if (graph.outputs.size() == 1) {
    outputs_.push_back({.targets = y_});
    return;
  }
  int64_t y_size = 0;  // of the targets so far
  for (const GraphOutput& output : graph.outputs) {
    const Column column{y_size, graph.target_size(output)};
    y_size += column.size;
    // Each with the sample's weight behind, where there is one, as a single output has it.
    const int64_t width = column.size + (graph.weighted ? 1 : 0);
    const int time = plan.loss_time();
    Buffer* const targets = memory.add(static_cast<size_t>(batch * width), time, time);
    outputs_.push_back({.targets = targets});
    y_splits_.push_back({column, targets, {0, width}});
    if (!graph.weighted) continue;
    const Column weight{graph.target_size() - 1, 1};
    y_splits_.push_back({weight, targets, {column.size, width}});
  }
}

}  // namespace sluice::backend
