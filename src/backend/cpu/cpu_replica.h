// A replica on the CPU: one program per batch size that has come, all over the same parameters and
// the same arena.
#pragma once

#include <map>
#include <memory>
#include <vector>

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
  StepMetrics train_step(const Batch& batch) override;
  StepMetrics evaluate(const Batch& batch) override;
  void predict(int64_t n, std::span<const float> x, std::span<float> y) override;
  std::span<float> parameters() override { return parameters_.values(); }
  void parameters_changed() override { parameters_.values_changed(); }
  std::span<const float> gradients() override;

 private:
  void check_batch(int64_t n, size_t x, const char* what, size_t got, int64_t per_sample) const;
  Program& program_for(int64_t batch);

  const Graph graph_;
  const ReplicaOptions options_;
  Device device_;
  ParameterStore parameters_;
  std::vector<Stage> stages_;
  // An arena that has become too small stays for the programs that are bound to it.
  std::vector<core::AlignedBuffer> arenas_;
  std::map<int64_t, std::unique_ptr<Program>> programs_;
  uint64_t step_ = 0;
};

}  // namespace sluice::backend::cpu
