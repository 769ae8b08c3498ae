// Where the values of one compiled program lie: for each step of a plan what its kernel reads and
// writes, for one batch size.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "backend/memory_plan.h"
#include "backend/plan.h"

namespace sluice::backend {

// A tensor as one step meets it.
struct Value {
  Buffer* data = nullptr;
  // Of the loss, in the tensor's type and layout; nullptr when nobody needs it, or when the step
  // has nothing to do for it. A step that reads the tensor writes all of it: where it adds to
  // others' gradients, into memory of its own.
  Buffer* gradient = nullptr;
  Shape shape{};
  Type type = Type::kFloat32;
  Layout layout = Layout::kPlain;
  Activation activation{};             // fused into the step that writes it
  bool reader_differentiates = false;  // see Tensor
  // For the step that writes the tensor: whether its gradient comes multiplied by the activation's
  // derivative already.
  bool is_differentiated = false;
};

// A gradient that is added to those of earlier steps of the backward pass: to += from. Where it
// completes the gradient of y = f(x), that may be followed by to *= f'(x).
struct GradientSum {
  const Buffer* from;
  Buffer* to;
  Type type;
  int64_t size;               // elements
  Activation activation{};    // f, or linear
  const Buffer* y = nullptr;  // where f is not linear
};

// What one step's kernel works on.
struct StepValues {
  std::vector<Value> x;
  Value y;
  std::vector<GradientSum> sums;  // to be done behind its backward
};

// A column of the rows that a batch consists of: floats [begin, begin + size) of each.
struct Column {
  int64_t begin = 0, size = 0;
};

// What is taken out of a batch's rows before anything reads it, into rows of their own.
struct Split {
  Column column;
  Buffer* to;
  struct Place {
    int64_t begin, width;  // where it begins in a row of `to`, and how wide that is
  } place;
};

// An output of the graph as its loss meets it.
struct OutputValue {
  Value value{};                     // what the loss reads, and whose gradient it writes
  Buffer* targets = nullptr;         // [N, target_size]
  std::optional<GradientSum> sum{};  // to be done behind the loss
};

// A value as its penalty meets it.
struct PenalizedValue {
  Value value;
  std::optional<GradientSum> sum;  // to be done behind the penalty
};

class Values {
 public:
  // Asks `memory` for everything that lies between the steps; it and the plan, which is of `graph`,
  // outlive the values.
  Values(const Graph& graph, const Plan& plan, int64_t batch, MemoryPlan& memory);

  const StepValues& of_step(size_t step) const { return steps_[step]; }
  const std::vector<OutputValue>& outputs() const { return outputs_; }
  const std::vector<PenalizedValue>& penalized() const { return penalized_; }

  // The batch, which is the caller's: to be pointed at each. Where a graph has one input, it reads
  // x itself, and one output's loss reads y; several read what has been split off.
  Buffer* x() const { return x_; }
  Buffer* y() const { return y_; }
  const std::vector<Split>& x_splits() const { return x_splits_; }
  const std::vector<Split>& y_splits() const { return y_splits_; }

 private:
  std::vector<Value> place_tensors(const Plan& plan, int64_t batch, MemoryPlan& memory);
  void place_targets(const Graph& graph, const Plan& plan, int64_t batch, MemoryPlan& memory);

  Buffer *x_, *y_;
  std::vector<Split> x_splits_, y_splits_;
  std::vector<OutputValue> outputs_;
  std::vector<PenalizedValue> penalized_;
  std::deque<StepValues> steps_;
};

}  // namespace sluice::backend
