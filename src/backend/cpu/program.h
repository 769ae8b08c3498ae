// A graph compiled for one batch size: kernels, and a plan of the memory between them.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/kernel.h"
#include "backend/cpu/loss.h"
#include "backend/cpu/stages.h"

namespace sluice::backend::cpu {

class Program {
 public:
  // The arguments outlive the program. Throws std::invalid_argument, naming the op, for what oneDNN
  // cannot do.
  Program(const Graph& graph, const std::vector<Stage>& stages, const Device& device,
          ParameterStore& parameters, int64_t batch);

  // The program works in an arena of arena_size() floats, which bind() must be given before the
  // first step.
  size_t arena_size() const { return arena_size_; }
  void bind(float* arena) { plan_.bind(arena); }

  StepMetrics train_step(const float* x, const float* y, uint64_t step);
  StepMetrics evaluate(const float* x, const float* y);
  void predict(const float* x, float* y);

 private:
  void add_values(const std::vector<Stage>& stages);
  void forward(const float* x, Mode mode, uint64_t step);
  // The loss of the last forward pass; `gradient` of the outputs, or nullptr for none.
  StepMetrics loss(const float* y, float* gradient);

  const int64_t batch_;
  const int64_t positions_;  // rows of outputs that each sample has
  LossOptions loss_;
  ParameterStore& parameters_;
  MemoryPlan plan_;
  Buffer* input_;
  std::deque<Value> values_;  // the input, then every stage's output
  std::vector<std::unique_ptr<Kernel>> kernels_;
  size_t first_trained_ = 0;  // no stage before it has parameters
  size_t arena_size_ = 0;
};

}  // namespace sluice::backend::cpu
