#include "backend/cuda/cuda_replica.h"

#include <algorithm>

#include "backend/validate.h"
#include "optim/optimizer.h"

namespace sluice::backend::cuda {
namespace {

size_t floats(int64_t batch, int64_t each) { return static_cast<size_t>(batch * each); }

}  // namespace

CudaReplica::CudaReplica(std::shared_ptr<Device> device, const Graph& graph,
                         const ReplicaOptions& options)
    : graph_(validate(graph)),
      options_(validate(options)),
      device_(std::move(device)),
      context_(
          std::make_unique<const Context>(device_, options_.precision, options_.deterministic)),
      plan_(make_cuda_plan(graph_, options_)),
      parameters_(graph_, plan_, options_, *context_),
      states_(*device_, 3 * state_size(graph_.counters())),
      input_(device_, floats(options_.batch_size, graph_.input_size()),
             floats(options_.batch_size, graph_.target_size())),
      window_(*context_, parameters_, state(StateOf::kTraining), graph_.counters()),
      host_state_(make_pinned(device_, 2 * state_size(graph_.counters()))) {
  if (options_.purpose == Purpose::kTraining) program_for(options_.batch_size);
}

// What is still under way reads memory that is about to go. And destroying cuDNN's handle waits for
// the device, which no capture survives.
CudaReplica::~CudaReplica() {
  const std::unique_lock alone(device_->captures());
  if (cudaSetDevice(device_->index()) != cudaSuccess) return;
  (void)cudaStreamSynchronize(context_->main.stream.get());
  input_.wait();
  window_.wait();
  programs_.clear();
  context_.reset();
}

Program& CudaReplica::program_for(int64_t size) {
  return programs_.get(size, [&] {
    // Another program may go, whose memory is still worked on.
    SLUICE_CHECKED(cudaStreamSynchronize(context_->main.stream.get()));
    const ProgramState states{.training = state(StateOf::kTraining),
                              .evaluation = state(StateOf::kEvaluation),
                              .gradient_sum = window_.gradient_sum(),
                              .inputs = input_.slots(),
                              .host_calls = &host_calls_};
    return std::make_unique<Program>(graph_, plan_, *context_, parameters_, states, size);
  });
}

BatchBuffers CudaReplica::batch_buffers() {
  device_->use();
  return input_.host();
}

void CudaReplica::start_step(const Batch& batch) {
  check_trains(options_);
  check_batch(graph_, options_.batch_size, batch);
  device_->use();
  Program& program = program_for(batch.size);
  optim::StepFactors factors;
  if (options_.optimizer) factors = optim::factors_of(*options_.optimizer, iterations_ + 1);
  const int slot = input_.send(batch, factors, context_->main.stream.get());
  program.train_step(slot);
  ++iterations_;  // a step that could not be captured is none
  input_.read(context_->main.stream.get());
  samples_ += batch.size;
  nodes_ = program.nodes_per_step();
  mirror_is_current_ = false;
}

void CudaReplica::wait() {
  SLUICE_CHECKED(cudaStreamSynchronize(context_->main.stream.get()));
  host_calls_.rethrow();
}

StepState* CudaReplica::state(StateOf which) {
  return reinterpret_cast<StepState*>(states_.data() +
                                      static_cast<size_t>(which) * state_size(graph_.counters()));
}

StepMetrics CudaReplica::metrics_of(const StepState* state, int64_t samples) const {
  const auto* counters = reinterpret_cast<const double*>(state + 1);
  return {samples, state->loss_sum, {counters, counters + graph_.counters()}};
}

// Reads the metrics that a state has summed up, and sets it to zero.
StepMetrics CudaReplica::read_metrics(StateOf which, int64_t samples) {
  cudaStream_t stream = context_->main.stream.get();
  const size_t counters = graph_.counters();
  cuda::take_metrics(state(which), state(StateOf::kReading), counters, stream);
  SLUICE_CHECKED(cudaMemcpyAsync(host_state_->data(), state(StateOf::kReading),
                                 state_size(counters) * sizeof(double), cudaMemcpyDeviceToHost,
                                 stream));
  wait();
  return metrics_of(reinterpret_cast<const StepState*>(host_state_->data()), samples);
}

StepMetrics CudaReplica::take_metrics() {
  const int64_t samples = std::exchange(samples_, 0);
  if (samples == 0) return {};
  device_->use();
  return read_metrics(StateOf::kTraining, samples);
}

StepMetrics CudaReplica::evaluate(const Batch& batch) {
  check_batch(graph_, options_.batch_size, batch);
  device_->use();
  Program& program = program_for(program_size(graph_, options_, batch.size));
  program.evaluate(batch.size, input_.send(batch, {}, context_->main.stream.get()));
  input_.read(context_->main.stream.get());
  return read_metrics(StateOf::kEvaluation, batch.size);
}

void CudaReplica::predict(int64_t n, std::span<const float> x, std::span<float> y) {
  check_prediction(graph_, options_.batch_size, n, x, y.size());
  device_->use();
  if (!host_y_) {
    host_y_ = make_pinned(device_, floats(options_.batch_size, graph_.output_size()));
  }
  Program& program = program_for(program_size(graph_, options_, n));
  program.predict(n, input_.send({n, x, {}}, {}, context_->main.stream.get()), host_y_->data());
  input_.read(context_->main.stream.get());
  wait();
  // They come one output after the other, and are asked for sample by sample.
  const float* from = host_y_->data();
  const auto row = static_cast<size_t>(graph_.output_size());
  size_t at = 0;
  for (const GraphOutput& output : graph_.outputs) {
    const auto size = static_cast<size_t>(graph_.shape_of(output).size());
    for (size_t i = at; i < y.size(); i += row, from += size) std::copy_n(from, size, &y[i]);
    at += size;
  }
}

std::span<float> CudaReplica::read_to_mirror(const float* from,
                                             std::shared_ptr<core::AlignedBuffer>& mirror) {
  const size_t size = parameters_.keras_size();
  if (!mirror) mirror = make_pinned(device_, size);
  if (size == 0) return {};
  cudaStream_t stream = context_->main.stream.get();
  DeviceArray<float> keras(*device_, size);
  read_scaled(parameters_.segments(), 1, from, keras.data(), stream);
  SLUICE_CHECKED(
      cudaMemcpyAsync(mirror->data(), keras.data(), keras.bytes(), cudaMemcpyDeviceToHost, stream));
  wait();
  return mirror->span();
}

std::span<float> CudaReplica::parameters() {
  device_->use();
  if (!mirror_is_current_) {
    read_to_mirror(parameters_.values(), parameter_mirror_);
    mirror_is_current_ = true;
  }
  return parameter_mirror_->span();
}

void CudaReplica::write_to_device(std::span<const float> from, float* values, void* bfloat16_copy) {
  if (from.empty()) return;
  cudaStream_t stream = context_->main.stream.get();
  DeviceArray<float> keras(*device_, from.size());
  SLUICE_CHECKED(
      cudaMemcpyAsync(keras.data(), from.data(), keras.bytes(), cudaMemcpyHostToDevice, stream));
  write_sum(parameters_.segments(), keras.data(), nullptr, {}, values, bfloat16_copy, stream);
  wait();
}

void CudaReplica::parameters_changed() {
  device_->use();
  if (!parameter_mirror_) return;
  write_to_device(parameter_mirror_->span(), parameters_.values(), parameters_.bfloat16_values());
}

std::span<const float> CudaReplica::gradients() {
  check_trains(options_);
  check_keeps_gradients(options_);
  device_->use();
  return read_to_mirror(parameters_.gradients(), gradient_mirror_);
}

std::shared_ptr<core::AlignedBuffer> CudaReplica::make_exchange_buffer(
    std::unique_ptr<core::AlignedBuffer> memory) {
  if (memory) return make_pinned(device_, std::move(memory));
  return make_pinned(device_, parameters_.keras_size());
}

void CudaReplica::begin_window() {
  check_trains(options_);
  device_->use();
  window_.begin();
}

void CudaReplica::start_update(const UpdateSpec& spec, std::span<float> update) {
  check_trains(options_);
  check_exchange(graph_, "update", update.size());
  device_->use();
  window_.start_update(spec, update);
  window_samples_ = std::exchange(samples_, 0);
  update_started_ = true;
}

bool CudaReplica::update_ready() {
  device_->use();
  return window_.update_ready();
}

StepMetrics CudaReplica::finish_update() {
  device_->use();
  const StepState* metrics = window_.finish_update();
  host_calls_.rethrow();
  if (!std::exchange(update_started_, false)) return {};
  return metrics_of(metrics, window_samples_);
}

void CudaReplica::adopt(std::span<const float> centre, OwnUpdate own, float rate) {
  check_trains(options_);
  check_exchange(graph_, "centre", centre.size());
  device_->use();
  window_.adopt(centre, own, rate);
  mirror_is_current_ = false;
}

void CudaReplica::adopt_averages() {
  check_trains(options_);
  if (!options_.optimizer || !options_.optimizer->use_ema || iterations_ == 0) return;
  device_->use();
  parameters_.adopt_averages(context_->main.stream.get());
  mirror_is_current_ = false;
}

optim::OptimizerState CudaReplica::optimizer_state() {
  check_has_optimizer(options_);
  device_->use();
  optim::OptimizerState state{.iterations = iterations_};
  std::shared_ptr<core::AlignedBuffer> mirror;
  size_t slot = 0;
  for (const optim::SlotSpec& spec : optim::slots_of(*options_.optimizer)) {
    const std::span<const float> values = read_to_mirror(parameters_.slot(slot++), mirror);
    state.slots.emplace_back(spec.name, std::vector<float>(values.begin(), values.end()));
  }
  return state;
}

void CudaReplica::set_learning_rate(float rate) {
  check_has_optimizer(options_);
  OptimizerSpec changed = *options_.optimizer;
  changed.learning_rate = rate;
  optim::validate(changed);
  options_.optimizer = std::move(changed);
}

void CudaReplica::restore_optimizer(const optim::OptimizerState& state) {
  check_has_optimizer(options_);
  optim::validate(state, *options_.optimizer, parameters_.keras_size());
  device_->use();
  for (size_t i = 0; i < state.slots.size(); ++i) {
    write_to_device(state.slots[i].second, parameters_.slot(i), nullptr);
  }
  iterations_ = state.iterations;
  const auto step = static_cast<uint64_t>(state.iterations);
  SLUICE_CHECKED(cudaMemcpyAsync(&this->state(StateOf::kTraining)->step, &step, sizeof(step),
                                 cudaMemcpyHostToDevice, context_->main.stream.get()));
  wait();
}

}  // namespace sluice::backend::cuda
