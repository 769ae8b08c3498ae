// Where the values of one compiled program lie: for each step of a plan what its kernel reads and
// writes, for one batch size.
#pragma once

#include <cstdint>
#include <deque>
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
};

// A gradient that is added to those of earlier steps of the backward pass: to += from.
struct GradientSum {
  const Buffer* from;
  Buffer* to;
  Type type;
  int64_t size;  // elements
};

// What one step's kernel works on.
struct StepValues {
  std::vector<Value> x;
  Value y;
  std::vector<GradientSum> sums;  // to be done behind its backward
};

class Values {
 public:
  // Asks `memory` for everything that lies between the steps; both outlive the values.
  Values(const Plan& plan, int64_t batch, MemoryPlan& memory);

  const StepValues& of_step(size_t step) const { return steps_[step]; }
  // The caller's, to be pointed at each batch.
  Buffer* input() const { return input_; }
  // What the loss reads and whose gradient it writes.
  const Value& output() const { return output_; }

 private:
  Buffer* input_;
  Value output_;
  std::deque<StepValues> steps_;
};

}  // namespace sluice::backend
