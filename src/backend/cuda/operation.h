// What a program is made of: operations that put the kernels of one step of the plan on the stream.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/cuda/context.h"
#include "backend/cuda/host_calls.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/parameters.h"
#include "backend/graph.h"
#include "backend/memory_plan.h"
#include "backend/plan.h"
#include "backend/values.h"

namespace sluice::backend::cuda {

enum class Mode { kTraining, kInference };

// What an operation is constructed from, and for whose sake: a step of the plan. All but the Build
// itself outlives the operation.
struct Build {
  const Context& context;
  const Parameters& parameters;
  const StepState* state;  // on the device
  HostCalls* host_calls;
  const bool& rehearsing;  // a step's kernels are run so that they have been, and change no state
  MemoryPlan& memory;
  int64_t batch;
  const Step& step;
  const StepValues& values;
  // See backend/memory_plan.h; without a backward pass both are that of the forward pass.
  int forward_time, backward_time;

  const Value& x(size_t input = 0) const { return values.x[input]; }
  const Value& y() const { return values.y; }
  // Whether the backward pass comes here at all.
  bool has_backward() const { return step.has_backward; }
};

class Operation {
 public:
  virtual ~Operation() = default;
  // Once the buffers are bound and before the first forward or backward: chooses algorithms, which
  // may run and wait. Those of all operations come in the order of the program.
  virtual void prepare_forward() {}
  virtual void prepare_backward() {}
  // Both only put work on the stream, so that they can be captured.
  virtual void forward(Mode mode) = 0;
  // From y's gradient, which it may overwrite unless the step keeps_gradient: the parameters'
  // gradients (ParameterGradient), and those of the inputs that have a buffer for it. Follows a
  // forward in training mode.
  virtual void backward() = 0;
};

// One for each kind of operation. `op` outlives it.
#define SLUICE_DECLARE(Op) \
  std::unique_ptr<Operation> make_operation(const Build& build, const Op& op);
SLUICE_FOR_EACH_OP(SLUICE_DECLARE)
#undef SLUICE_DECLARE
std::unique_ptr<Operation> make_cast(const Build& build);

}  // namespace sluice::backend::cuda
