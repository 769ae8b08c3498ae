// How a graph is computed, the same for every batch size: which operations have kernels, in what
// types and layouts their values are, who writes a gradient and who adds to it. A device only adds
// the kernels.
//
// Left out are operations that nothing depends on, and identities (reshapes, linear activations,
// dropout of rate 0). An activation whose derivative follows from its output is fused into the
// convolution, dense layer or merge before it, a ReLU into a batch normalization, and a last
// softmax or sigmoid into the crossentropies. Casts come in where neighbours compute in different
// types, and conversions between layouts around convolutions that gain more from theirs. For
// inference noise is an identity as well, and a convolution takes a batch normalization and a sum
// behind it along, where the device can. What is written once and read by several is one tensor:
// its readers' gradients add up in the order of the backward pass.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backend/graph.h"
#include "backend/ops.h"
#include "backend/replica.h"
#include "backend/type.h"

namespace sluice::backend {

// What becomes of a gradient that a step computes: nobody needs it, it is the first of the backward
// pass, or one that adds to those before. kShared: the first one, and the output's as it is, so
// that they lie in the same memory and nothing is to be done.
enum class GradientUse { kNone, kWritten, kAdded, kShared };

// What a step writes, or an input of the graph.
struct Tensor {
  Shape shape{};  // as its step writes it; readers may see it under another
  Type type = Type::kFloat32;
  Layout layout = Layout::kPlain;
  std::optional<size_t> step{};   // that writes it; none: an input
  Activation activation{};        // fused behind that step's op
  std::vector<size_t> readers{};  // steps, in their order
  bool is_output = false;         // a loss, predict() or a penalty reads it
  bool has_gradient = false;
  // Whether its only reader's backward already multiplies the gradient by the activation's
  // derivative, which saves a pass over memory where it writes the gradient anyway. So does a sum
  // that completes the gradient (Step::Input). Otherwise the step that writes the tensor multiplies
  // before it uses the gradient.
  bool reader_differentiates = false;
  bool sum_differentiates = false;

  // Nobody else looks at the tensor or its gradient.
  bool is_read_once() const { return readers.size() == 1 && !is_output; }
};

// What one kernel computes: an op, with the activation that is fused behind it, or a conversion.
//
// A convolution for inference may have both of these behind it, in front of the activation: a batch
// normalization, and a sum with the last of its inputs, in the memory of which its output then is.
struct Step {
  struct Input {
    size_t tensor;
    Shape shape;  // as the op sees it
    GradientUse gradient = GradientUse::kNone;
    // The gradient is complete when this one has been added, and is multiplied by the derivative of
    // the tensor's activation in the same pass (Tensor::sum_differentiates).
    bool differentiates_sum = false;
  };
  struct Parameter {
    ParameterSlice slice;
    GradientUse gradient = GradientUse::kNone;
    bool is_complete = false;  // after this step's backward nobody adds to the gradient
  };
  const Op* op = nullptr;  // none: the input in the output's type and layout
  const BatchNormOp* normalization = nullptr;  // behind the op, or none
  bool adds = false;                           // the last input
  Activation activation{};
  std::vector<Input> inputs{};
  size_t output = 0;                    // a tensor
  std::vector<Parameter> parameters{};  // as in OpTraits
  bool has_backward = false;
  bool passes_gradient = false;  // see OpTraits
  bool keeps_gradient = false;   // its backward only reads its output's gradient

  bool trains_parameters() const;
};

// What a loss, and predict(), read.
struct PlannedOutput {
  size_t tensor = 0;
  Activation activation = Activation::kLinear;  // softmax or sigmoid where they apply it
  GradientUse gradient = GradientUse::kNone;    // the loss's; losses come before the backward pass
};

// What an ActivityPenalty reads.
struct PlannedPenalty {
  size_t tensor = 0;
  GradientUse gradient = GradientUse::kNone;  // behind those of the losses
};

struct Plan {
  Purpose purpose = Purpose::kTraining;
  std::vector<Tensor> tensors;
  std::vector<size_t> inputs;             // tensors, in the graph's order
  std::vector<PlannedOutput> outputs;     // likewise
  std::vector<PlannedPenalty> penalties;  // likewise
  std::vector<Step> steps;                // in the order of the forward pass

  // The line of times (backend/memory_plan.h) on which step i runs: forward at i, then the losses
  // and penalties, and backward.
  int forward_time(size_t step) const { return static_cast<int>(step); }
  int loss_time() const { return static_cast<int>(steps.size()); }
  int backward_time(size_t step) const { return 2 * loss_time() - static_cast<int>(step); }
  // When a step is done with what it keeps for itself.
  int last_time(size_t step) const {
    return steps[step].has_backward ? backward_time(step) : forward_time(step);
  }
};

struct PlanOptions {
  Purpose purpose = Purpose::kTraining;  // for inference no step has a backward
  Precision precision = Precision::kFloat32;
  bool in_blocks = false;  // whether convolutions prefer images in blocks of channels
  bool folds = false;      // whether they can take a Step's normalization and sum
  // Whether an op between images of this type gains more from blocks than it costs to convert both
  // on their way in and out, and their gradients.
  bool (*gains_from_blocks)(const Op& op, Type type, const Shape& x, const Shape& y) = nullptr;
  // Whether the kernel of such an op can take over the derivative of an activation that is fused
  // into the step before it (Tensor::reader_differentiates).
  bool (*differentiates)(const Op& reader, const Activation& activation) = nullptr;
};

// What the plan's steps train, each once, in the order of the parameters.
std::vector<ParameterSlice> trained_parameters(const Plan& plan);

// `graph` must be valid and outlive the plan.
Plan make_plan(const Graph& graph, const PlanOptions& options);

}  // namespace sluice::backend
