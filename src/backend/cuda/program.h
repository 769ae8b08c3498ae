// A plan compiled for one batch size: operations, a plan of the memory between them, and the
// training step as a CUDA graph.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "backend/cuda/operation.h"

namespace sluice::backend::cuda {

// Where batches come in, on the device.
struct InputSlot {
  const float* x = nullptr;
  const float* y = nullptr;
  const optim::StepFactors* factors = nullptr;  // of the optimizer, for this step
};

// A training step alternates between two, so that one is filled while the other is read.
inline constexpr int kInputSlots = 2;
using InputSlots = std::array<InputSlot, kInputSlots>;

// What all programs of a replica work on, besides the parameters.
struct ProgramState {
  StepState* training;    // on the device
  StepState* evaluation;  // likewise
  float* gradient_sum;    // of replicas without an optimizer, else nullptr
  InputSlots inputs;
  HostCalls* host_calls;
};

// As it is computed on a GPU. `graph` must be valid and outlive the plan.
Plan make_cuda_plan(const Graph& graph, const ReplicaOptions& options);

class Program {
 public:
  // The arguments outlive the program. Throws CudaError.
  Program(const Graph& graph, const Plan& plan, const Context& context,
          const Parameters& parameters, const ProgramState& state, int64_t batch);

  // All of these only put work on the stream, but the first of a kind prepares it, which waits.
  // The input is in the slot when the stream gets there.

  // One graph launch: forward, loss, backward, and the optimizer's step or the gradients' sum.
  void train_step(int slot);
  // Of the first n samples in the slot. Adds to the metrics of evaluation.
  void evaluate(int64_t n, int slot);
  // Copies the first n samples' outputs, probabilities behind a last softmax, to `y`, which is
  // pinned: all of the first output, [n, ...], then all of the second.
  void predict(int64_t n, int slot, float* y);

  // Kernels, copies and host functions of a captured training step; 0 before the first.
  size_t nodes_per_step() const { return nodes_; }

 private:
  struct Output {
    LossShape loss;            // of the whole batch
    bool needs_probabilities;  // for its metrics, where the loss reads an activation's inputs
  };

  void check_sizes() const;
  void make_outputs();
  void make_operations();
  void prepare_forward();
  void forward(int slot, Mode mode);
  // Those of the first n samples; with their gradients where there are any.
  enum class Gradients { kNone, kWritten };
  void losses(int64_t n, int slot, Gradients gradients, StepState* state);
  // Likewise of the activities.
  void penalties(int64_t n, Gradients gradients, StepState* state);
  void split(int64_t n, int64_t width, const float* rows, const std::vector<Split>& splits);
  // Of the first n samples of an output, whose loss has just been computed. Returns the counters
  // behind its own.
  double* measure_output(size_t output, int64_t n, double* counters);
  void add_up(const GradientSum& sum);
  void gradients(int slot, StepState* state);
  void backward(size_t step);
  void use_gradients(size_t parameters, int slot);
  void warm_up(int slot);
  void capture(int slot);

  const Graph& graph_;
  const Plan& plan_;
  const Context& context_;
  const Parameters& parameters_;
  const ProgramState state_;
  const int64_t batch_;
  std::vector<Output> outputs_;
  MemoryPlan memory_;
  const Values values_;
  std::vector<std::unique_ptr<Operation>> operations_;  // one for each step
  DeviceArray<float> arena_;
  DeviceArray<double> penalty_sums_;  // where activities have penalties
  DeviceArray<float> losses_;         // of each row of an output
  DeviceArray<int> correct_;
  DeviceArray<double> loss_scratch_;
  DeviceArray<float> probabilities_;  // of an output, where the tensor must stay or is measured
  bool forward_prepared_ = false, rehearsing_ = false, warm_ = false;
  std::array<GraphExec, kInputSlots> steps_;
  size_t nodes_ = 0;
};

}  // namespace sluice::backend::cuda
