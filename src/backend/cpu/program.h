// A plan compiled for one batch size: kernels, and the memory between them.
#pragma once

#include <memory>
#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/cpu/loss.h"
#include "backend/replica.h"

namespace sluice::backend::cpu {

// As it is computed on this processor. `graph` must be valid and outlive the plan.
Plan make_cpu_plan(const Graph& graph, const ReplicaOptions& options);

class Program {
 public:
  // The arguments outlive the program. Throws std::invalid_argument, naming the op, for what oneDNN
  // cannot do.
  Program(const Graph& graph, const Plan& plan, const Device& device, ParameterStore& parameters,
          int64_t batch);

  // The program works in an arena of arena_size() floats, which bind() must be given before the
  // first step.
  size_t arena_size() const { return arena_size_; }
  void bind(float* arena) { memory_.bind(arena); }

  StepMetrics train_step(const float* x, const float* y, uint64_t step);
  // `x` holds a whole batch; only its first n samples count.
  StepMetrics evaluate(int64_t n, const float* x, const float* y);
  void predict(int64_t n, const float* x, float* y);

 private:
  void make_kernels(const Device& device);
  void forward(const float* x, Mode mode, uint64_t step);
  // The losses of the first n samples of the last forward pass, with their gradients where there
  // are any.
  enum class Gradients { kNone, kWritten };
  StepMetrics losses(int64_t n, const float* y, Gradients gradients);
  void backward(size_t step, uint64_t number);
  void add_up(const GradientSum& sum);

  const Graph& graph_;
  const Plan& plan_;
  const int64_t batch_;
  std::vector<LossOptions> outputs_;
  const int threads_;
  ParameterStore& parameters_;
  MemoryPlan memory_;
  const Values values_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // one for each step
  size_t arena_size_ = 0;
};

}  // namespace sluice::backend::cpu
