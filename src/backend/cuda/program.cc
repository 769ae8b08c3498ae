#include "backend/cuda/program.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace sluice::backend::cuda {
namespace {

std::unique_ptr<Operation> make_operation(const Build& build, const Stage& stage, Value& x,
                                          Value& y) {
  struct Maker {
    const Build& build;
    const Stage& stage;
    Value& x;
    Value& y;
    using Made = std::unique_ptr<Operation>;
    Made operator()(const Conv2DOp&) const { return make_conv2d(build, stage, x, y); }
    Made operator()(const DenseOp&) const { return make_dense(build, stage, x, y); }
    Made operator()(const Pool2DOp&) const { return make_pool2d(build, stage, x, y); }
    Made operator()(const ActivationOp&) const { return make_activation(build, stage, x, y); }
    Made operator()(const DropoutOp&) const { return make_dropout(build, stage, x, y); }
    Made operator()(const HostOp&) const { return make_host(build, stage, x, y); }
    Made operator()(const ReshapeOp&) const { throw std::logic_error("a reshape is not a stage"); }
  };
  if (stage.cast != nullptr) return make_cast(build, stage, x, y);
  return std::visit(Maker{build, stage, x, y}, stage.op->kind);
}

std::string name_of(const Stage& stage) {
  return stage.op != nullptr ? '"' + stage.op->name + '"' : "a cast";
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

Program::Program(const Graph& graph, const std::vector<Stage>& stages, const Context& context,
                 const Parameters& parameters, const ProgramState& state, int64_t batch)
    : context_(context),
      parameters_(parameters),
      state_(state),
      batch_(batch),
      loss_{graph.loss, loss_takes_logits(graph), batch * graph.positions(), graph.classes()},
      optimizer_(parameters.optimizer().value_or(OptimizerSpec("sgd"))),
      input_(plan_.elsewhere(nullptr)),
      losses_(*context.device, static_cast<size_t>(loss_.rows)),
      correct_(*context.device, static_cast<size_t>(loss_.rows)) {
  const auto first =
      std::find_if(stages.begin(), stages.end(), [](const Stage& stage) { return stage.trains; });
  first_trained_ = static_cast<size_t>(first - stages.begin());
  add_values(stages);
  make_operations(stages);
  arena_ = DeviceArray<float>(*context.device, plan_.place());
  plan_.bind(arena_.data());
}

// Times: stage i runs forward at i and backward at 2n - i, the loss in between at n.
void Program::add_values(const std::vector<Stage>& stages) {
  values_.push_back({.data = input_});
  const int count = static_cast<int>(stages.size());
  for (int i = 0; i < count; ++i) {
    const Stage& stage = stages[static_cast<size_t>(i)];
    const int64_t numbers = batch_ * stage.output().size();
    if (numbers > std::numeric_limits<int>::max()) {  // cuDNN and our kernels count with an int
      throw CudaError(
          fmt::format("{} for a batch of {}: its {} outputs are more than a GPU is given at once; "
                      "make the batch smaller",
                      name_of(stage), batch_, numbers));
    }
    const size_t size = floats_for(stage.output_type, static_cast<size_t>(numbers));
    const int backward_time = 2 * count - i;
    Value value{.type = stage.output_type, .activation = stage.activation};
    value.data = plan_.add(size, i, backward_time);
    if (static_cast<size_t>(i) >= first_trained_) {
      value.gradient = plan_.add(size, backward_time - 1, backward_time);
    }
    values_.push_back(value);
  }
}

void Program::make_operations(const std::vector<Stage>& stages) {
  const int count = static_cast<int>(stages.size());
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const Build build{.context = context_,
                      .parameters = parameters_,
                      .state = state_.training,
                      .host_calls = state_.host_calls,
                      .plan = plan_,
                      .batch = batch_,
                      .forward_time = i,
                      .backward_time = 2 * count - i};
    try {
      operations_.push_back(make_operation(build, stages[at], values_[at], values_[at + 1]));
    } catch (const CudaError& error) {
      throw CudaError(
          fmt::format("{} for a batch of {}: {}", name_of(stages[at]), batch_, error.what()));
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
  input_->data = const_cast<float*>(state_.inputs[static_cast<size_t>(slot)].x);  // only read
  prepare_forward();
  for (const auto& operation : operations_) operation->forward(mode);
}

void Program::loss(int slot, float* gradient, StepState* state) {
  cudaStream_t stream = context_.main.stream.get();
  compute_loss(loss_, values_.back().data->data, state_.inputs[static_cast<size_t>(slot)].y,
               gradient, losses_.data(), correct_.data(), stream);
  count_step(optimizer_, loss_.rows, losses_.data(), correct_.data(), state, stream);
}

void Program::gradients(int slot, StepState* state) {
  forward(slot, Mode::kTraining);
  const Value& output = values_.back();
  loss(slot, output.gradient == nullptr ? nullptr : output.gradient->data, state);
  for (size_t i = operations_.size(); i > first_trained_; --i) operations_[i - 1]->backward();
}

void Program::use_gradients(size_t parameters) {
  if (parameters_.optimizer()) {
    parameters_.step(parameters, state_.training, context_.main.stream.get());
  } else {
    add_to(static_cast<int64_t>(parameters), parameters_.gradients(), state_.gradient_sum,
           context_.main.stream.get());
  }
}

// Algorithms are chosen, and every kernel has run once, before the first capture: libraries load
// their code at its first use, which a capture forbids. It is the step that will be captured, on
// the same batch, but steps no parameter and counts nothing.
void Program::warm_up(int slot) {
  if (warm_) return;
  input_->data = const_cast<float*>(state_.inputs[static_cast<size_t>(slot)].x);
  prepare_forward();
  const std::unique_lock alone(context_.device->captures());
  for (size_t i = first_trained_; i < operations_.size(); ++i) operations_[i]->prepare_backward();
  const HostCalls::Pause rehearsal(*state_.host_calls);
  gradients(slot, state_.evaluation);
  use_gradients(0);
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
  use_gradients(parameters_.size());
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

void Program::evaluate(int slot) {
  forward(slot, Mode::kInference);
  loss(slot, nullptr, state_.evaluation);
}

void Program::predict(int slot, float* y) {
  forward(slot, Mode::kInference);
  cudaStream_t stream = context_.main.stream.get();
  float* output = values_.back().data->data;
  if (loss_.logits) softmax(loss_.rows, loss_.outputs, output, output, stream);
  SLUICE_CHECKED(cudaMemcpyAsync(y, output,
                                 static_cast<size_t>(loss_.rows * loss_.outputs) * sizeof(float),
                                 cudaMemcpyDeviceToHost, stream));
}

}  // namespace sluice::backend::cuda
