// What a program is made of: operations that put their kernels on the stream, and the values
// between them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/cuda/context.h"
#include "backend/cuda/host_calls.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/parameters.h"
#include "backend/fusion.h"
#include "backend/graph.h"
#include "backend/memory_plan.h"

namespace sluice::backend::cuda {

// The output of one operation and the input of the next; images are channels last.
struct Value {
  Buffer* data = nullptr;
  Buffer* gradient = nullptr;                   // of the loss; nullptr when nobody needs it
  DataType type = DataType::kFloat32;           // of data and gradient
  Activation activation = Activation::kLinear;  // what its producer fused into it
  // Whether the consumer's backward already multiplies the gradient by the activation's derivative,
  // which saves a pass over memory where it writes the gradient anyway. Otherwise the producer does
  // so before it uses the gradient; exactly one of them must.
  bool consumer_differentiates = false;
};

// An op with the activation fused behind it, or a change of type.
struct Stage {
  const Op* op = nullptr;
  const Shape* cast = nullptr;  // without op: converts values of this shape to output_type
  Activation activation = Activation::kLinear;
  DataType output_type = DataType::kFloat32;
  bool trains = false;  // it has parameters

  const Shape& output() const { return cast != nullptr ? *cast : op->output; }
};

// `graph` must be valid and outlive the stages.
std::vector<Stage> make_stages(const Graph& graph, Precision precision);

enum class Mode { kTraining, kInference };

// What an operation is constructed from: the replica's context, parameters, state and memory plan,
// the batch size, and the times (backend/memory_plan.h) of its forward and backward pass.
struct Build {
  const Context& context;
  const Parameters& parameters;
  const StepState* state;  // on the device
  HostCalls* host_calls;
  MemoryPlan& plan;
  int64_t batch;
  int forward_time, backward_time;
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
  // From y's gradient: the parameters' gradients, and x's when there is a buffer for it. Follows a
  // forward in training mode.
  virtual void backward() = 0;
};

// One per kind of operation; x and y outlive it.
std::unique_ptr<Operation> make_conv2d(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Operation> make_dense(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Operation> make_pool2d(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Operation> make_activation(const Build& build, const Stage& stage, Value& x,
                                           Value& y);
std::unique_ptr<Operation> make_dropout(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Operation> make_cast(const Build& build, const Stage& stage, Value& x, Value& y);
std::unique_ptr<Operation> make_host(const Build& build, const Stage& stage, Value& x, Value& y);

}  // namespace sluice::backend::cuda
