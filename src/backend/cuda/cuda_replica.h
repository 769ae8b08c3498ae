// A replica on a GPU: one program per batch size that has come, all over the same parameters.
//
// The host only puts work on streams: a step is a copy of its batch and one graph launch.
#pragma once

#include <memory>
#include <vector>

#include "backend/batch_sizes.h"
#include "backend/cuda/exchange_window.h"
#include "backend/cuda/input_ring.h"
#include "backend/cuda/program.h"
#include "backend/replica.h"

namespace sluice::backend::cuda {

class CudaReplica final : public Replica {
 public:
  // Throws std::invalid_argument for a graph or options that make no sense, CudaError where the
  // device cannot, for want of memory for example.
  CudaReplica(std::shared_ptr<Device> device, const Graph& graph, const ReplicaOptions& options);
  ~CudaReplica() override;

  const Graph& graph() const override { return graph_; }

  BatchBuffers batch_buffers() override;
  void start_step(const Batch& batch) override;
  StepMetrics take_metrics() override;
  size_t launches_per_step() const override { return nodes_; }
  StepMetrics evaluate(const Batch& batch) override;
  void predict(int64_t n, std::span<const float> x, std::span<float> y) override;

  std::span<float> parameters() override;
  void parameters_changed() override;
  std::span<const float> gradients() override;

  std::shared_ptr<core::AlignedBuffer> make_exchange_buffer(
      std::unique_ptr<core::AlignedBuffer> memory) override;
  void begin_window() override;
  void start_update(const UpdateSpec& spec, std::span<float> update) override;
  bool update_ready() override;
  StepMetrics finish_update() override;
  void adopt(std::span<const float> centre, OwnUpdate own, float rate) override;
  void adopt_averages() override;
  optim::OptimizerState optimizer_state() override;
  void restore_optimizer(const optim::OptimizerState& state) override;
  void set_learning_rate(float rate) override;

 private:
  Program& program_for(int64_t size);
  // Waits for the compute stream and throws what went wrong on it.
  void wait();
  // Of training, of evaluation, or what is read from.
  enum class StateOf { kTraining, kEvaluation, kReading };
  StepState* state(StateOf which);
  StepMetrics read_metrics(StateOf which, int64_t samples);
  // What a state on the host, with its counters, says of `samples` samples.
  StepMetrics metrics_of(const StepState* state, int64_t samples) const;
  void write_to_device(std::span<const float> keras, float* values, void* bfloat16_copy);
  std::span<float> read_to_mirror(const float* from, std::shared_ptr<core::AlignedBuffer>& mirror);

  const Graph graph_;
  ReplicaOptions options_;  // only the learning rate changes
  const std::shared_ptr<Device> device_;
  std::unique_ptr<const Context> context_;
  const Plan plan_;
  HostCalls host_calls_;
  Parameters parameters_;
  DeviceArray<double> states_;  // StateOf, each with its counters
  InputRing input_;
  ExchangeWindow window_;
  ProgramCache<Program> programs_;
  std::shared_ptr<core::AlignedBuffer> host_state_;  // holds a StepState with its counters
  std::shared_ptr<core::AlignedBuffer> host_y_;      // of predict()
  // Keras' layout, on the host, for those who ask.
  std::shared_ptr<core::AlignedBuffer> parameter_mirror_, gradient_mirror_;
  bool mirror_is_current_ = false;
  int64_t iterations_ = 0;      // of the optimizer
  int64_t samples_ = 0;         // since the metrics were last taken
  int64_t window_samples_ = 0;  // of the last update
  bool update_started_ = false;
  size_t nodes_ = 0;
};

}  // namespace sluice::backend::cuda
