#include "backend/cuda/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "backend/cuda/capture.h"
namespace sluice::backend::cuda {
namespace {

// A pooling writes its input's gradient anyway.
bool differentiates(const Op& reader, const Activation&) {
  return std::holds_alternative<Pool2DOp>(reader.kind);
}

std::unique_ptr<Operation> make_operation_of(const Build& build) {
  if (build.step.op == nullptr) return make_cast(build);
  return std::visit([&](const auto& op) { return make_operation(build, op); }, build.step.op->kind);
}

std::string name_of(const Step& step) {
  return step.op != nullptr ? '"' + step.op->name + '"' : "a cast";
}

}  // namespace

std::unique_ptr<Operation> make_operation(const Build&, const ReshapeOp&) {
  throw std::logic_error("a reshape is never a step");
}

Plan make_cuda_plan(const Graph& graph, const ReplicaOptions& options) {
  return make_plan(graph, {.purpose = options.purpose,
                           .precision = options.precision,
                           .differentiates = differentiates});
}

Program::Program(const Graph& graph, const Plan& plan, const Context& context,
                 const Parameters& parameters, const ProgramState& state, int64_t batch)
    : graph_(graph),
      plan_(plan),
      context_(context),
      parameters_(parameters),
      state_(state),
      batch_(batch),
      values_(graph, plan, batch, memory_) {
  check_sizes();
  make_outputs();
  make_operations();
  arena_ = DeviceArray<float>(*context.device, memory_.place());
  memory_.bind(arena_.data());
}

// cuDNN and our kernels count with an int.
void Program::check_sizes() const {
  for (const Tensor& tensor : plan_.tensors) {
    const int64_t numbers = batch_ * tensor.shape.size();
    if (!tensor.step || numbers <= std::numeric_limits<int>::max()) continue;
    throw CudaError(
        fmt::format("{} for a batch of {}: its {} outputs are more than a GPU is given at once; "
                    "make the batch smaller",
                    name_of(plan_.steps[*tensor.step]), batch_, numbers));
  }
}

void Program::make_outputs() {
  int64_t most_rows = 0, most_outputs = 0;
  size_t most_scratch = 1;
  for (size_t k = 0; k < graph_.outputs.size(); ++k) {
    const GraphOutput& output = graph_.outputs[k];
    const int64_t positions = graph_.positions(output);
    const LossShape loss{plan_.outputs[k].activation,
                         batch_ * positions,
                         graph_.classes(output),
                         positions,
                         graph_.weighted,
                         output.weight,
                         batch_losses::kept_axes(output.loss, graph_.shape_of(output))};
    const bool measured =
        loss.activation != Activation::kLinear &&
        std::any_of(output.metrics.begin(), output.metrics.end(), needs_probabilities);
    outputs_.push_back({loss, measured});
    most_rows = std::max(most_rows, loss.rows);
    most_scratch = std::max(most_scratch, loss_scratch(output.loss, loss));
    if (measured || graph_.outputs.size() > 1) {
      most_outputs = std::max(most_outputs, loss.rows * loss.outputs);
    }
  }
  if (!graph_.activity_penalties.empty()) {
    penalty_sums_ = DeviceArray<double>(*context_.device, activity_penalty_sums());
  }
  losses_ = DeviceArray<float>(*context_.device, static_cast<size_t>(most_rows));
  loss_scratch_ = DeviceArray<double>(*context_.device, most_scratch);
  correct_ = DeviceArray<int>(*context_.device, static_cast<size_t>(most_rows));
  if (most_outputs == 0) return;
  probabilities_ = DeviceArray<float>(*context_.device, static_cast<size_t>(most_outputs));
}

void Program::make_operations() {
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    const Build build{.context = context_,
                      .parameters = parameters_,
                      .state = state_.training,
                      .host_calls = state_.host_calls,
                      .rehearsing = rehearsing_,
                      .memory = memory_,
                      .batch = batch_,
                      .step = plan_.steps[i],
                      .values = values_.of_step(i),
                      .forward_time = plan_.forward_time(i),
                      .backward_time = plan_.last_time(i)};
    try {
      operations_.push_back(make_operation_of(build));
    } catch (const CudaError& error) {
      throw CudaError(
          fmt::format("{} for a batch of {}: {}", name_of(build.step), batch_, error.what()));
    }
  }
}

void Program::prepare_forward() {
  if (forward_prepared_) return;
  const std::unique_lock alone(context_.device->captures());
  for (const auto& operation : operations_) operation->prepare_forward();
  forward_prepared_ = true;
}

void Program::forward(int slot, Mode mode) {
  const float* x = state_.inputs[static_cast<size_t>(slot)].x;
  values_.x()->data = const_cast<float*>(x);  // only read
  prepare_forward();
  split(batch_, graph_.input_size(), x, values_.x_splits());
  for (const auto& operation : operations_) operation->forward(mode);
}

void Program::split(int64_t n, int64_t width, const float* rows, const std::vector<Split>& splits) {
  for (const auto& [column, to, place] : splits) {
    take_columns(n, width, column.begin, column.size, rows, place.width, place.begin, to->data,
                 context_.main.stream.get());
  }
}

void Program::losses(int64_t n, int slot, Gradients gradients, StepState* state) {
  cudaStream_t stream = context_.main.stream.get();
  const float* y = state_.inputs[static_cast<size_t>(slot)].y;
  values_.y()->data = const_cast<float*>(y);  // only read
  split(n, graph_.target_size(), y, values_.y_splits());
  parameters_.add_penalty(n, state, stream);
  double* counters = counters_behind(state);
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const OutputValue& output = values_.outputs()[k];
    const bool wanted = gradients == Gradients::kWritten && output.value.gradient != nullptr;
    LossShape shape = outputs_[k].loss;
    shape.rows = n * shape.positions;
    compute_loss(graph_.outputs[k].loss, shape, output.value.data->data, output.targets->data,
                 wanted ? output.value.gradient->data : nullptr, losses_.data(), correct_.data(),
                 loss_scratch_.data(), stream);
    if (wanted && output.sum) add_up(*output.sum);
    const double scale = 1 / static_cast<double>(shape.positions);
    RowSums sums{.rows = shape.rows,
                 .losses = losses_.data(),
                 .correct = correct_.data(),
                 .weight = shape.weight * scale,
                 .scale = scale,
                 .loss_counter = nullptr,
                 .correct_counter = nullptr};
    if (outputs_.size() > 1) sums.loss_counter = counters++;
    double* at = counters;
    for (const Metric& metric : graph_.outputs[k].metrics) {
      if (is_accuracy(metric)) sums.correct_counter = at;
      at += counters_of(metric, shape.outputs);
    }
    if (k == 0) {
      count_step(sums, state, stream);
    } else {
      add_rows(sums, state, stream);
    }
    counters = measure_output(k, n, counters);
  }
  penalties(n, gradients, state);
}

void Program::penalties(int64_t n, Gradients gradients, StepState* state) {
  cudaStream_t stream = context_.main.stream.get();
  for (size_t k = 0; k < graph_.activity_penalties.size(); ++k) {
    const ActivityPenalty& penalty = graph_.activity_penalties[k];
    const PenalizedValue& penalized = values_.penalized()[k];
    const int64_t size = penalized.value.shape.size();
    const float* y = penalized.value.data->data;
    add_activity_penalty(penalty, n, size, y, penalty_sums_.data(), state, stream);
    if (gradients == Gradients::kNone || penalized.value.gradient == nullptr) continue;
    activity_penalty_gradient(penalty, n, size, y, penalized.value.gradient->data, stream);
    if (penalized.sum) add_up(*penalized.sum);
  }
}

double* Program::measure_output(size_t k, int64_t n, double* counters) {
  cudaStream_t stream = context_.main.stream.get();
  const LossShape& loss = outputs_[k].loss;
  MeasuredRows rows{.rows = n * loss.positions,
                    .outputs = loss.outputs,
                    .positions = loss.positions,
                    .p = values_.outputs()[k].value.data->data,
                    .y = values_.outputs()[k].targets->data,
                    .has_class_numbers = graph_.outputs[k].takes_class_numbers(),
                    .weighted = loss.weighted};
  if (outputs_[k].needs_probabilities) {
    if (loss.activation == Activation::kSoftmax) {
      softmax(false, rows.rows, {1, rows.outputs, 1}, rows.p, probabilities_.data(), stream);
    } else {
      activate(loss.activation, Type::kFloat32, rows.rows * rows.outputs, rows.p,
               probabilities_.data(), stream);
    }
    rows.p = probabilities_.data();
  }
  for (const Metric& metric : graph_.outputs[k].metrics) {
    // The losses have been added up: their memory is free.
    if (!is_accuracy(metric)) {
      measure(metric, rows, losses_.data(), counters, stream);
    }
    counters += counters_of(metric, rows.outputs);
  }
  return counters;
}

void Program::gradients(int slot, StepState* state) {
  forward(slot, Mode::kTraining);
  losses(batch_, slot, Gradients::kWritten, state);
  for (size_t i = plan_.steps.size(); i-- > 0;) {
    if (plan_.steps[i].has_backward) backward(i);
  }
}

void Program::backward(size_t step) {
  operations_[step]->backward();
  for (const GradientSum& sum : values_.of_step(step).sums) add_up(sum);
}

void Program::add_up(const GradientSum& sum) {
  cudaStream_t stream = context_.main.stream.get();
  if (sum.y != nullptr) {
    return add_and_differentiate(sum.activation, sum.type, sum.size, sum.y->data, sum.from->data,
                                 sum.to->data, stream);
  }
  add(sum.type, sum.size, sum.from->data, sum.to->data, sum.to->data, stream);
}

void Program::use_gradients(size_t parameters, int slot) {
  parameters_.add_penalty_gradient(context_.main.stream.get());
  if (parameters_.optimizer()) {
    parameters_.step(parameters, state_.inputs[static_cast<size_t>(slot)].factors,
                     context_.main.stream.get());
  } else {
    add(Type::kFloat32, static_cast<int64_t>(parameters), parameters_.gradients(),
        state_.gradient_sum, state_.gradient_sum, context_.main.stream.get());
  }
}

// Algorithms are chosen, and every kernel has run once, before the first capture: libraries load
// their code at its first use, which a capture forbids. It is the step that will be captured, on
// the same batch, but steps no parameter, changes no state and counts nothing.
void Program::warm_up(int slot) {
  if (warm_) return;
  values_.x()->data = const_cast<float*>(state_.inputs[static_cast<size_t>(slot)].x);
  prepare_forward();
  const std::unique_lock alone(context_.device->captures());
  for (size_t i = 0; i < plan_.steps.size(); ++i) {
    if (plan_.steps[i].has_backward) operations_[i]->prepare_backward();
  }
  const HostCalls::Pause pause(*state_.host_calls);
  rehearsing_ = true;
  gradients(slot, state_.evaluation);
  rehearsing_ = false;
  use_gradients(0, slot);
  SLUICE_CHECKED(cudaMemsetAsync(state_.evaluation, 0,
                                 state_size(graph_.counters()) * sizeof(double),
                                 context_.main.stream.get()));
  SLUICE_CHECKED(cudaStreamSynchronize(context_.main.stream.get()));
  warm_ = true;
}

void Program::capture(int slot) {
  warm_up(slot);
  const std::shared_lock no_others(context_.device->captures());
  Capture capture(context_.main.stream.get());
  gradients(slot, state_.training);
  use_gradients(parameters_.trained_size(), slot);
  const GraphHandle graph = capture.end();
  SLUICE_CHECKED(cudaGraphGetNodes(graph.get(), nullptr, &nodes_));
  steps_[static_cast<size_t>(slot)] = executable(graph);
}

void Program::train_step(int slot) {
  GraphExec& step = steps_[static_cast<size_t>(slot)];
  if (step == nullptr) capture(slot);
  SLUICE_CHECKED(cudaGraphLaunch(step.get(), context_.main.stream.get()));
}

void Program::evaluate(int64_t n, int slot) {
  forward(slot, Mode::kInference);
  losses(n, slot, Gradients::kNone, state_.evaluation);
}

void Program::predict(int64_t n, int slot, float* y) {
  forward(slot, Mode::kInference);
  cudaStream_t stream = context_.main.stream.get();
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const LossShape& loss = outputs_[k].loss;
    float* output = values_.outputs()[k].value.data->data;
    const int64_t rows = n * loss.positions;
    float* to = probabilities_.size() == 0 ? output : probabilities_.data();
    if (loss.activation == Activation::kSoftmax) {
      softmax(false, rows, {1, loss.outputs, 1}, output, to, stream);
      output = to;
    } else if (loss.activation == Activation::kSigmoid) {
      activate(Activation::kSigmoid, Type::kFloat32, rows * loss.outputs, output, to, stream);
      output = to;
    }
    const auto size = static_cast<size_t>(rows * loss.outputs);
    SLUICE_CHECKED(
        cudaMemcpyAsync(y, output, size * sizeof(float), cudaMemcpyDeviceToHost, stream));
    y += size;
  }
}

}  // namespace sluice::backend::cuda
