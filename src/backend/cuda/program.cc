#include "backend/cuda/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

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

// Between begin and end, what is put on the stream becomes a graph instead of being done.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    SLUICE_CHECKED(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  }
  Capture(const Capture&) = delete;
  ~Capture() {
    if (ended_) return;  // otherwise something was thrown, and the graph is of no use
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(stream_, &graph);
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
    (void)cudaGetLastError();
  }
  std::unique_ptr<CUgraph_st, Destroy<cudaGraphDestroy>> end() {
    ended_ = true;
    cudaGraph_t graph = nullptr;
    SLUICE_CHECKED(cudaStreamEndCapture(stream_, &graph));
    return std::unique_ptr<CUgraph_st, Destroy<cudaGraphDestroy>>(graph);
  }

 private:
  const cudaStream_t stream_;
  bool ended_ = false;
};

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
    : plan_(plan),
      context_(context),
      parameters_(parameters),
      state_(state),
      batch_(batch),
      positions_(graph.positions()),
      loss_spec_(graph.loss),
      loss_{plan.output_activation, batch * positions_, graph.classes(), positions_,
            graph.weighted},
      values_(plan, batch, memory_),
      losses_(*context.device, static_cast<size_t>(loss_.rows)),
      correct_(*context.device, static_cast<size_t>(loss_.rows)),
      counted_(*context.device, 1) {
  check_sizes();
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
  values_.input()->data =
      const_cast<float*>(state_.inputs[static_cast<size_t>(slot)].x);  // only read
  prepare_forward();
  for (const auto& operation : operations_) operation->forward(mode);
}

LossShape Program::loss_of(int64_t n) const {
  LossShape shape = loss_;
  shape.rows = n * positions_;
  return shape;
}

void Program::loss(int64_t n, int slot, float* gradient, StepState* state) {
  cudaStream_t stream = context_.main.stream.get();
  const LossShape shape = loss_of(n);
  compute_loss(loss_spec_, shape, values_.output().data->data,
               state_.inputs[static_cast<size_t>(slot)].y, gradient, losses_.data(),
               correct_.data(), counted_.data(), stream);
  parameters_.add_penalty(shape.rows, state, stream);
  count_step(shape.rows, losses_.data(), correct_.data(), state, stream);
}

void Program::gradients(int slot, StepState* state) {
  forward(slot, Mode::kTraining);
  const Value& output = values_.output();
  loss(batch_, slot, output.gradient == nullptr ? nullptr : output.gradient->data, state);
  for (size_t i = plan_.steps.size(); i-- > 0;) {
    if (plan_.steps[i].has_backward) backward(i);
  }
}

void Program::backward(size_t step) {
  operations_[step]->backward();
  for (const GradientSum& sum : values_.of_step(step).sums) {
    add(sum.type, sum.size, sum.from->data, sum.to->data, sum.to->data, context_.main.stream.get());
  }
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
  values_.input()->data = const_cast<float*>(state_.inputs[static_cast<size_t>(slot)].x);
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
  SLUICE_CHECKED(
      cudaMemsetAsync(state_.evaluation, 0, sizeof(StepState), context_.main.stream.get()));
  SLUICE_CHECKED(cudaStreamSynchronize(context_.main.stream.get()));
  warm_ = true;
}

void Program::capture(int slot) {
  warm_up(slot);
  const std::shared_lock no_others(context_.device->captures());
  Capture capture(context_.main.stream.get());
  gradients(slot, state_.training);
  use_gradients(parameters_.trained_size(), slot);
  const auto graph = capture.end();
  SLUICE_CHECKED(cudaGraphGetNodes(graph.get(), nullptr, &nodes_));
  steps_[static_cast<size_t>(slot)] = made<GraphExec>(
      [&](cudaGraphExec_t* exec) { return cudaGraphInstantiate(exec, graph.get(), 0); });
}

void Program::train_step(int slot) {
  GraphExec& step = steps_[static_cast<size_t>(slot)];
  if (step == nullptr) capture(slot);
  SLUICE_CHECKED(cudaGraphLaunch(step.get(), context_.main.stream.get()));
}

void Program::evaluate(int64_t n, int slot) {
  forward(slot, Mode::kInference);
  loss(n, slot, nullptr, state_.evaluation);
}

void Program::predict(int64_t n, int slot, float* y) {
  forward(slot, Mode::kInference);
  cudaStream_t stream = context_.main.stream.get();
  float* output = values_.output().data->data;
  const int64_t rows = n * positions_;
  if (loss_.activation == Activation::kSoftmax) {
    softmax(false, rows, {1, loss_.outputs, 1}, output, output, stream);
  } else if (loss_.activation == Activation::kSigmoid) {
    activate(Activation::kSigmoid, Type::kFloat32, rows * loss_.outputs, output, output, stream);
  }
  SLUICE_CHECKED(cudaMemcpyAsync(y, output,
                                 static_cast<size_t>(rows * loss_.outputs) * sizeof(float),
                                 cudaMemcpyDeviceToHost, stream));
}

}  // namespace sluice::backend::cuda
