// A plan compiled for one batch size: kernels, and the memory between them.
#pragma once

#include <functional>
#include <memory>
#include <span>
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

  // Puts something else in the place of each kernel, which works by it: to measure it, say.
  using Wrap = std::function<std::unique_ptr<Kernel>(const Step&, std::unique_ptr<Kernel>)>;
  void wrap_kernels(const Wrap& wrap);

  // Adds to `sums`, which has room for the graph's counters.
  void train_step(const float* x, const float* y, uint64_t step, StepMetrics& sums);
  // `x` holds a whole batch; only its first n samples count.
  void evaluate(int64_t n, const float* x, const float* y, StepMetrics& sums);
  void predict(int64_t n, const float* x, float* y);

 private:
  void make_kernels(const Device& device);
  void forward(const float* x, Mode mode, uint64_t step);
  // The losses of the first n samples of the last forward pass, with their gradients where there
  // are any.
  enum class Gradients { kNone, kWritten };
  void losses(int64_t n, const float* y, Gradients gradients, StepMetrics& sums);
  // Likewise of the activities.
  void penalties(int64_t n, Gradients gradients, StepMetrics& sums);
  void backward(size_t step, uint64_t number);
  void add_up(const GradientSum& sum);

  struct Output {
    LossOptions loss;
    Buffer* probabilities;  // for metrics, where the loss reads an activation's inputs; or nullptr
    Buffer* products;       // of Circle: of one sample with all of its batch; or nullptr
  };
  static void activate(Activation activation, int64_t rows, int64_t outputs, const float* from,
                       float* to);
  // Of the first n samples of an output. `correct` is the loss's count of them.
  void measure_output(size_t output, int64_t n, double correct, std::span<double> counters);

  const Graph& graph_;
  const Plan& plan_;
  const int64_t batch_;
  std::vector<Output> outputs_;
  const int threads_;
  ParameterStore& parameters_;
  MemoryPlan memory_;
  const Values values_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // one for each step
  size_t arena_size_ = 0;
};

}  // namespace sluice::backend::cpu
