#include "backend/plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "backend/plan_passes.h"
#include "loss/traits.h"

namespace sluice::backend {
namespace {

// What the graph comes to before types, layouts and gradients: who needs what.
struct Needs {
  struct Output {
    ValueId value;          // what the loss reads
    Activation activation;  // which the loss applies to it
  };
  std::vector<Output> outputs;
  std::vector<bool> ops;       // in the graph's order: whether an output depends on it
  std::vector<ValueId> roots;  // of each value, the one that it is identical to
  std::vector<int> reads;      // of each root, by ops that are no identities, and by losses
};

const Op* producer_of(const Graph& graph, ValueId value) {
  const auto found = std::find_if(graph.ops.begin(), graph.ops.end(),
                                  [&](const Op& op) { return op.output == value; });
  return found == graph.ops.end() ? nullptr : &*found;
}

// The activation that `op` is and the loss can be computed without.
Activation taken_by_loss(const Graph& graph, const LossSpec& loss, const Op* op) {
  const auto* last = op == nullptr ? nullptr : std::get_if<ActivationOp>(&op->kind);
  if (last == nullptr) return Activation::kLinear;
  const loss::Link link = loss::traits_of(loss).link;
  const bool takes = (link == loss::Link::kSoftmax && is_softmax(graph, *op)) ||
                     (link == loss::Link::kSigmoid && last->activation == Activation::kSigmoid);
  return takes ? last->activation : Activation::kLinear;
}

bool is_identity(const Graph& graph, const Op& op, Purpose purpose) {
  return traits_of(graph, op).is_identity ||
         (purpose == Purpose::kInference && std::holds_alternative<NoiseOp>(op.kind));
}

Needs needs_of(const Graph& graph, Purpose purpose) {
  Needs needs;
  std::vector<bool> wanted(graph.values.size(), false);
  for (const GraphOutput& output : graph.outputs) {
    const Op* last = producer_of(graph, output.value);
    const Activation taken = taken_by_loss(graph, output.loss, last);
    needs.outputs.push_back(
        {taken == Activation::kLinear ? output.value : last->inputs.front(), taken});
    wanted[needs.outputs.back().value] = true;
  }
  for (const ActivityPenalty& penalty : graph.activity_penalties) wanted[penalty.value] = true;
  needs.ops.resize(graph.ops.size());
  for (size_t i = graph.ops.size(); i-- > 0;) {
    const Op& op = graph.ops[i];
    needs.ops[i] = wanted[op.output];
    if (!needs.ops[i]) continue;
    for (const ValueId input : op.inputs) wanted[input] = true;
  }
  needs.roots.resize(graph.values.size());
  for (ValueId value = 0; value < graph.values.size(); ++value) needs.roots[value] = value;
  needs.reads.assign(graph.values.size(), 0);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    if (!needs.ops[i]) continue;
    if (is_identity(graph, op, purpose)) {
      needs.roots[op.output] = needs.roots[op.inputs.front()];
    } else {
      for (const ValueId input : op.inputs) ++needs.reads[needs.roots[input]];
    }
  }
  for (const Needs::Output& output : needs.outputs) ++needs.reads[needs.roots[output.value]];
  for (const ActivityPenalty& penalty : graph.activity_penalties) {
    ++needs.reads[needs.roots[penalty.value]];
  }
  return needs;
}

class Planner {
 public:
  Planner(const Graph& graph, const PlanOptions& options)
      : graph_(graph), options_(options), needs_(needs_of(graph, options.purpose)) {}

  Plan take() && {
    plan_.purpose = options_.purpose;
    tensor_of_.resize(graph_.values.size());
    for (const ValueId input : graph_.inputs) {
      tensor_of_[input] = add_tensor({.shape = graph_.values[input]});
      plan_.inputs.push_back(tensor_of_[input]);
    }
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      if (needs_.ops[i]) add_op(graph_.ops[i]);
    }
    for (const Needs::Output& output : needs_.outputs) add_output(output);
    for (const ActivityPenalty& penalty : graph_.activity_penalties) {
      plan_.penalties.push_back({add_reader(penalty.value)});
    }
    find_readers(plan_);
    if (options_.in_blocks) choose_layouts(graph_, options_, plan_);
    if (options_.purpose == Purpose::kTraining) plan_gradients(graph_, options_, plan_);
    return std::move(plan_);
  }

 private:
  size_t add_tensor(Tensor tensor) {
    plan_.tensors.push_back(std::move(tensor));
    return plan_.tensors.size() - 1;
  }

  size_t add_step(Step step, Tensor output) {
    output.step = plan_.steps.size();
    step.output = add_tensor(std::move(output));
    plan_.steps.push_back(std::move(step));
    return plan_.steps.back().output;
  }

  void add_op(const Op& op) {
    const OpTraits traits = traits_of(graph_, op);
    const size_t first = tensor_of_[op.inputs.front()];
    if (is_identity(graph_, op, options_.purpose) || take_along(op, first) || fold(op, first)) {
      tensor_of_[op.output] = first;
      return;
    }
    if (const std::optional<size_t> sum = fold_sum(op)) {
      tensor_of_[op.output] = *sum;
      return;
    }
    const Type type = type_of(traits, op);
    Step step{.op = &op,
              .passes_gradient = traits.passes_gradient,
              .keeps_gradient = traits.keeps_gradient};
    for (const ValueId input : op.inputs) {
      step.inputs.push_back({in_type(tensor_of_[input], type), graph_.values[input]});
    }
    for (const OpParameter& parameter : traits.parameters) {
      step.parameters.push_back({parameter.slice});
    }
    tensor_of_[op.output] =
        add_step(std::move(step), {.shape = graph_.values[op.output], .type = type});
  }

  // Fuses an activation into the step that writes `tensor`, where nobody else reads that.
  bool take_along(const Op& op, size_t tensor) {
    Tensor& input = plan_.tensors[tensor];
    const std::optional<Activation> activation = fusible_activation(op);
    if (!activation || !input.step || input.activation != Activation::kLinear) return false;
    Step& before = plan_.steps[*input.step];
    if (before.op == nullptr) return false;
    const OpTraits traits = traits_of(graph_, *before.op);
    const bool takes =
        traits.takes_activation || (traits.takes_relu && *activation == Activation::kRelu);
    if (!takes || needs_.reads[needs_.roots[op.inputs.front()]] > 1) return false;
    input.activation = before.activation = *activation;
    before.keeps_gradient = traits.keeps_gradient && !traits.takes_activation;
    return true;
  }

  // The convolution that writes `tensor`, which `value` is, where something may be put behind it:
  // nothing is yet that had to come later, and nobody else reads it.
  Step* open_convolution(size_t tensor, ValueId value) {
    const Tensor& output = plan_.tensors[tensor];
    const bool asked = options_.folds && options_.purpose == Purpose::kInference &&
                       options_.precision == Precision::kFloat32;
    if (!asked || !output.step || needs_.reads[needs_.roots[value]] > 1) return nullptr;
    Step& step = plan_.steps[*output.step];
    const auto* conv = step.op == nullptr ? nullptr : std::get_if<Conv2DOp>(&step.op->kind);
    if (conv == nullptr || conv->transposed || step.adds ||
        step.activation != Activation::kLinear || output.shape != graph_.values[value]) {
      return nullptr;
    }
    return &step;
  }

  // Takes a batch normalization into the convolution before it.
  bool fold(const Op& op, size_t tensor) {
    const auto* normalization = std::get_if<BatchNormOp>(&op.kind);
    if (normalization == nullptr) return false;
    Step* const step = open_convolution(tensor, op.inputs.front());
    if (step == nullptr || step->normalization != nullptr) return false;
    step->normalization = normalization;
    return true;
  }

  // Lets a convolution add what it gives to the other operand of a sum, which nobody reads behind
  // it; the tensor that the sum then is.
  std::optional<size_t> fold_sum(const Op& op) {
    const auto* merge = std::get_if<MergeOp>(&op.kind);
    if (merge == nullptr || merge->kind != MergeOp::Kind::kAdd || op.inputs.size() != 2) return {};
    for (const size_t k : {0, 1}) {
      const size_t tensor = tensor_of_[op.inputs[k]], other = tensor_of_[op.inputs[1 - k]];
      Step* const step = open_convolution(tensor, op.inputs[k]);
      if (step == nullptr || !takes_sum(*step) || !is_free_at(*step, other, op.inputs[1 - k])) {
        continue;
      }
      step->inputs.push_back({other, graph_.values[op.output]});
      step->adds = true;
      return tensor;
    }
    return {};
  }

  // An image of few channels may be in another layout than what comes of it.
  static bool takes_sum(const Step& step) { return step.inputs.front().shape[2] > 3; }

  // Whether the tensor is there when this step runs, and those who read it have done so, but for
  // one.
  bool is_free_at(const Step& step, size_t tensor, ValueId value) const {
    const Tensor& wanted = plan_.tensors[tensor];
    const auto index = static_cast<size_t>(&step - plan_.steps.data());
    if (!wanted.step || *wanted.step >= index || wanted.shape != graph_.values[value]) return false;
    int before = 0;
    for (size_t i = 0; i < index; ++i) {
      before +=
          static_cast<int>(std::ranges::count(plan_.steps[i].inputs, tensor, &Step::Input::tensor));
    }
    return before + 1 == needs_.reads[needs_.roots[value]];
  }

  Type type_of(const OpTraits& traits, const Op& op) const {
    const Type first = plan_.tensors[tensor_of_[op.inputs.front()]].type;
    if (traits.in_any_type && std::ranges::all_of(op.inputs, [&](ValueId input) {
          return plan_.tensors[tensor_of_[input]].type == first;
        })) {
      return first;
    }
    const bool mixed = options_.precision == Precision::kMixedBfloat16;
    return mixed && traits.in_bfloat16 ? Type::kBfloat16 : Type::kFloat32;
  }

  void add_output(const Needs::Output& output) {
    Tensor& last = plan_.tensors[tensor_of_[output.value]];
    const Op* op = last.step ? plan_.steps[*last.step].op : nullptr;
    const bool alone = needs_.reads[needs_.roots[output.value]] == 1;
    // A dense layer adds up in float32, and can leave its outputs so for the loss.
    if (op != nullptr && std::holds_alternative<DenseOp>(op->kind) && alone) {
      last.type = Type::kFloat32;
    }
    plan_.outputs.push_back({add_reader(output.value), output.activation});
  }

  // The tensor of a value as what comes behind all steps reads it.
  size_t add_reader(ValueId value) {
    const size_t tensor = in_type(tensor_of_[value], Type::kFloat32);
    plan_.tensors[tensor].is_output = true;
    return tensor;
  }

  // The tensor, or a cast of it, which is made once.
  size_t in_type(size_t tensor, Type type) {
    if (plan_.tensors[tensor].type == type) return tensor;
    const auto [found, is_new] = casts_.try_emplace({tensor, type});
    if (is_new) {
      const Shape shape = plan_.tensors[tensor].shape;
      Step cast{.keeps_gradient = true};
      cast.inputs.push_back({tensor, shape});
      found->second = add_step(std::move(cast), {.shape = shape, .type = type});
    }
    return found->second;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  const Needs needs_;
  Plan plan_;
  std::vector<size_t> tensor_of_;  // of each value that is needed
  std::map<std::pair<size_t, Type>, size_t> casts_;
};

}  // namespace

bool Step::trains_parameters() const {
  return std::any_of(parameters.begin(), parameters.end(), [](const Parameter& parameter) {
    return parameter.slice.role == ParameterRole::kTrainable && parameter.slice.size > 0;
  });
}

void find_readers(Plan& plan) {
  for (Tensor& tensor : plan.tensors) tensor.readers.clear();
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    for (const Step::Input& input : plan.steps[i].inputs) {
      plan.tensors[input.tensor].readers.push_back(i);
    }
  }
}

std::vector<ParameterSlice> trained_parameters(const Plan& plan) {
  std::vector<ParameterSlice> slices;
  for (const Step& step : plan.steps) {
    for (const Step::Parameter& parameter : step.parameters) {
      if (parameter.is_complete) slices.push_back(parameter.slice);
    }
  }
  std::ranges::sort(slices, {}, &ParameterSlice::offset);
  return slices;
}

Plan make_plan(const Graph& graph, const PlanOptions& options) {
  return Planner(graph, options).take();
}

}  // namespace sluice::backend
