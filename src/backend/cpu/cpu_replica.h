// A replica on the CPU: one program per batch size that has come, all over the same parameters and
// the same arena.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "backend/batch_sizes.h"
#include "backend/cpu/exchange_window.h"
#include "backend/cpu/parameter_store.h"
#include "backend/cpu/program.h"
#include "backend/replica.h"
#include "core/aligned_buffer.h"

namespace sluice::backend::cpu {

// INVALID_ARGUMENT where this processor cannot compute in it.
Status check(Precision precision);

class CpuReplica final : public Replica {
 public:
  // Throws std::invalid_argument for a graph or options that make no sense.
  CpuReplica(const Graph& graph, const ReplicaOptions& options);

  const Graph& graph() const override { return graph_; }
  BatchBuffers batch_buffers() override;
  void start_step(const Batch& batch) override;
  StepMetrics take_metrics() override;
  StepMetrics evaluate(const Batch& batch) override;
  void predict(int64_t n, std::span<const float> x, std::span<float> y) override;
  std::span<float> parameters() override { return parameters_.values(); }
  void parameters_changed() override { parameters_.values_changed(); }
  std::span<const float> gradients() override;

  std::shared_ptr<core::AlignedBuffer> make_exchange_buffer(
      std::unique_ptr<core::AlignedBuffer> memory) override;
  void begin_window() override;
  void start_update(const UpdateSpec& spec, std::span<float> update) override;
  bool update_ready() override { return true; }
  StepMetrics finish_update() override { return std::exchange(window_metrics_, {}); }
  void adopt(std::span<const float> centre, OwnUpdate own, float rate) override;
  void adopt_averages() override;
  optim::OptimizerState optimizer_state() override;
  void restore_optimizer(const optim::OptimizerState& state) override;
  void set_learning_rate(float rate) override;

 private:
  Program& program_for(int64_t size);
  // That a batch of `size` is computed by. For little work others are not woken up.
  int threads_for(int64_t size) const;
  // A batch of `size` that begins with the samples of `x`: `x` itself where it has room for one.
  const float* padded(std::span<const float> x, int64_t size);

  const Graph graph_;
  const ReplicaOptions options_;
  Device device_, one_thread_;
  int64_t work_per_step_ = 0;  // the mean of the products' multiply-adds for a sample
  const Plan plan_;
  ParameterStore parameters_;
  // An arena that has become too small stays for the programs that are bound to it.
  std::vector<core::AlignedBuffer> arenas_;
  ProgramCache<Program> programs_;
  uint64_t step_ = 0;
  core::AlignedBuffer x_, y_;   // the next batch; made when it is asked for
  core::AlignedBuffer padded_;  // of padded()
  StepMetrics metrics_;         // of the steps since they were last taken; keeps its counters
  ExchangeWindow window_;
  StepMetrics window_metrics_;  // of the steps of the last update
};

}  // namespace sluice::backend::cpu
