#include "backend/plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "loss/traits.h"

namespace sluice::backend {
namespace {

bool is_image(const Shape& shape) { return shape.rank() == 3; }

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

Needs needs_of(const Graph& graph) {
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
    if (traits_of(graph, op).is_identity) {
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
      : graph_(graph), options_(options), needs_(needs_of(graph)) {}

  Plan take() && {
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
    find_readers();
    if (options_.in_blocks) choose_layouts();
    if (options_.purpose == Purpose::kTraining) plan_gradients();
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
    if (traits.is_identity || take_along(op, first)) {
      tensor_of_[op.output] = first;
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

  void find_readers() {
    for (Tensor& tensor : plan_.tensors) tensor.readers.clear();
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      for (const Step::Input& input : plan_.steps[i].inputs) {
        plan_.tensors[input.tensor].readers.push_back(i);
      }
    }
  }

  // --- Layouts: as many images in blocks as nobody would have to convert ---

  ImageLayouts layouts_of(const Step& step) const {
    if (step.op == nullptr) return ImageLayouts::kSame;
    // It will have a conversion where its neighbours are not in blocks.
    if (gains_from_blocks(step)) return ImageLayouts::kEach;
    return traits_of(graph_, *step.op).layouts;
  }

  bool gains_from_blocks(const Step& step) const {
    if (step.op == nullptr || options_.gains_from_blocks == nullptr) return false;
    const Tensor& y = plan_.tensors[step.output];
    return options_.gains_from_blocks(*step.op, y.type, step.inputs.front().shape, y.shape);
  }

  // Whether a tensor can be in blocks as far as it alone is concerned: those who read it take the
  // image as it was written.
  bool may_be_in_blocks(const Tensor& tensor) const {
    if (!tensor.step || tensor.is_output || !is_image(tensor.shape) ||
        tensor.shape[2] % kChannelBlock != 0 ||
        layouts_of(plan_.steps[*tensor.step]) == ImageLayouts::kPlain) {
      return false;
    }
    return std::all_of(tensor.readers.begin(), tensor.readers.end(), [&](size_t reader) {
      const Step& step = plan_.steps[reader];
      if (layouts_of(step) == ImageLayouts::kPlain) return false;
      return std::all_of(step.inputs.begin(), step.inputs.end(), [&](const Step::Input& input) {
        return &plan_.tensors[input.tensor] != &tensor || input.shape == tensor.shape;
      });
    });
  }

  // Takes the tensors of a step out of blocks that cannot be in them together; whether it did.
  bool agree(const Step& step) {
    const ImageLayouts layouts = layouts_of(step);
    if (layouts == ImageLayouts::kEach || layouts == ImageLayouts::kPlain) return false;
    Tensor& y = plan_.tensors[step.output];
    if (layouts == ImageLayouts::kConvolution && is_few_channels(step.inputs.front())) return false;
    bool all = y.layout == Layout::kBlocked16, any = all;
    for (const Step::Input& input : step.inputs) {
      const bool blocked = plan_.tensors[input.tensor].layout == Layout::kBlocked16;
      all = all && blocked;
      any = any || blocked;
    }
    if (all || !any) return false;
    y.layout = Layout::kPlain;
    for (const Step::Input& input : step.inputs) {
      plan_.tensors[input.tensor].layout = Layout::kPlain;
    }
    return true;
  }

  // Of an input of the graph, also in another type or moved, so that it needs no gradient.
  bool is_few_channels(const Step::Input& input) const {
    size_t tensor = input.tensor;
    while (plan_.tensors[tensor].step) {
      const Step& step = plan_.steps[*plan_.tensors[tensor].step];
      if (step.inputs.size() != 1 || step.trains_parameters()) return false;
      tensor = step.inputs.front().tensor;
    }
    return input.shape.dims().back() <= 3;
  }

  void choose_layouts() {
    for (Tensor& tensor : plan_.tensors) {
      if (may_be_in_blocks(tensor)) tensor.layout = Layout::kBlocked16;
    }
    // What leaves the blocks may take others along.
    while (std::any_of(plan_.steps.begin(), plan_.steps.end(),
                       [this](const Step& step) { return agree(step); })) {
    }
    // Blocks are for convolutions: what none of them takes or gives stays as it is.
    const std::vector<bool> convolved = find_convolved();
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!convolved[i]) plan_.tensors[i].layout = Layout::kPlain;
    }
    convert_layouts();
  }

  // Puts conversions around what gains from blocks and has neighbours that are not in them.
  void convert_layouts() {
    std::vector<Step> steps = std::exchange(plan_.steps, {});
    const auto add_again = [this](Step step, size_t output) {
      step.output = output;
      plan_.tensors[output].step = plan_.steps.size();
      plan_.steps.push_back(std::move(step));
    };
    const auto conversion_of = [](size_t tensor, const Shape& shape) {
      Step conversion{.keeps_gradient = true};
      conversion.inputs.push_back({tensor, shape});
      return conversion;
    };
    struct Converted {
      size_t plain, in_blocks;
    };
    std::vector<Converted> converted;
    const auto in_blocks = [&](const Step::Input& x) {
      for (const Converted& image : converted) {
        if (image.plain == x.tensor && plan_.tensors[image.in_blocks].shape == x.shape) {
          return image.in_blocks;
        }
      }
      const size_t tensor = add_tensor(
          {.shape = x.shape, .type = plan_.tensors[x.tensor].type, .layout = Layout::kBlocked16});
      add_again(conversion_of(x.tensor, x.shape), tensor);
      converted.push_back({x.tensor, tensor});
      return tensor;
    };
    for (Step& step : steps) {
      const size_t y = step.output;
      if (!gains_from_blocks(step)) {
        add_again(std::move(step), y);
        continue;
      }
      Step::Input& x = step.inputs.front();
      if (plan_.tensors[x.tensor].layout == Layout::kPlain) x.tensor = in_blocks(x);
      if (plan_.tensors[y].layout == Layout::kBlocked16) {
        add_again(std::move(step), y);
        continue;
      }
      const Shape shape = plan_.tensors[y].shape;
      const size_t tensor =
          add_tensor({.shape = shape,
                      .type = plan_.tensors[y].type,
                      .layout = Layout::kBlocked16,
                      .activation = std::exchange(plan_.tensors[y].activation, Activation())});
      add_again(std::move(step), tensor);
      add_again(conversion_of(tensor, shape), y);
      converted.push_back({y, tensor});
    }
    find_readers();
  }

  // Which tensors a convolution takes or gives, or shares its layout with.
  std::vector<bool> find_convolved() const {
    std::vector<bool> convolved(plan_.tensors.size(), false);
    for (bool changed = true; changed;) {
      changed = false;
      for (const Step& step : plan_.steps) {
        const ImageLayouts layouts = layouts_of(step);
        const bool gains = gains_from_blocks(step);
        if (!gains && (layouts == ImageLayouts::kEach || layouts == ImageLayouts::kPlain)) continue;
        bool any = layouts != ImageLayouts::kSame || convolved[step.output];
        for (const Step::Input& input : step.inputs) any = any || convolved[input.tensor];
        const auto mark = [&](size_t tensor) {
          changed = changed || (any && !convolved[tensor]);
          convolved[tensor] = convolved[tensor] || any;
        };
        mark(step.output);
        for (const Step::Input& input : step.inputs) mark(input.tensor);
      }
    }
    return convolved;
  }

  // --- Gradients ---

  void plan_gradients() {
    for (Step& step : plan_.steps) {
      const auto has_gradient = [&](const Step::Input& input) {
        return plan_.tensors[input.tensor].has_gradient;
      };
      step.has_backward = step.trains_parameters() ||
                          std::any_of(step.inputs.begin(), step.inputs.end(), has_gradient);
      plan_.tensors[step.output].has_gradient = step.has_backward;
    }
    std::vector<bool> written(plan_.tensors.size(), false);
    const auto use_gradient = [&](size_t tensor) {
      if (!plan_.tensors[tensor].has_gradient) return GradientUse::kNone;
      const bool is_first = !written[tensor];
      written[tensor] = true;
      return is_first ? GradientUse::kWritten : GradientUse::kAdded;
    };
    for (PlannedOutput& output : plan_.outputs) output.gradient = use_gradient(output.tensor);
    for (PlannedPenalty& penalty : plan_.penalties) {
      penalty.gradient = use_gradient(penalty.tensor);
    }
    std::map<size_t, Step::Parameter*> last_use;  // by where the slice begins
    std::vector<Step::Input*> last_input(plan_.tensors.size(), nullptr);
    for (size_t i = plan_.steps.size(); i-- > 0;) {
      Step& step = plan_.steps[i];
      if (!step.has_backward) continue;
      for (Step::Input& input : step.inputs) {
        input.gradient = use_gradient(input.tensor);
        last_input[input.tensor] = &input;
      }
      if (step.passes_gradient) share_gradient(i);
      for (Step::Parameter& parameter : step.parameters) {
        if (parameter.slice.role != ParameterRole::kTrainable || parameter.slice.size == 0)
          continue;
        const auto [found, is_first] = last_use.try_emplace(parameter.slice.offset);
        parameter.gradient = is_first ? GradientUse::kWritten : GradientUse::kAdded;
        found->second = &parameter;
      }
    }
    for (auto& [offset, parameter] : last_use) parameter->is_complete = true;
    for (Tensor& tensor : plan_.tensors) {
      if (!tensor.has_gradient || !tensor.is_read_once() || options_.differentiates == nullptr ||
          tensor.activation == Activation::kLinear) {
        continue;
      }
      const Op* reader = plan_.steps[tensor.readers.front()].op;
      tensor.reader_differentiates =
          reader != nullptr && options_.differentiates(*reader, tensor.activation);
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) {
      Tensor& tensor = plan_.tensors[i];
      Step::Input* const last = last_input[i];
      if (last == nullptr || last->gradient != GradientUse::kAdded ||
          tensor.activation == Activation::kLinear) {
        continue;
      }
      // Others, such as BatchNormalization, have the ReLU's mask for free.
      if (!traits_of(graph_, *plan_.steps[*tensor.step].op).takes_activation) continue;
      tensor.sum_differentiates = last->differentiates_sum = true;
    }
  }

  // Lets inputs of a step that passes its gradient have it where it is, rather than a copy: one
  // whose gradient changes later, since others add to it or its step overwrites it, and all that
  // have been read by then and are only read.
  void share_gradient(size_t index) {
    Step& step = plan_.steps[index];
    const auto may_share = [&](const Step::Input& input) {
      return input.gradient == GradientUse::kWritten &&
             std::ranges::count(step.inputs, input.tensor, &Step::Input::tensor) == 1;
    };
    const auto is_only_read = [&](const Step::Input& input) {
      const Tensor& tensor = plan_.tensors[input.tensor];
      return tensor.is_read_once() && plan_.steps[*tensor.step].keeps_gradient;
    };
    size_t first_change = 0;  // the last step before this one, so the first of the backward pass
    for (Step::Input& input : step.inputs) {
      if (!may_share(input) || is_only_read(input)) continue;
      const Tensor& tensor = plan_.tensors[input.tensor];
      input.gradient = GradientUse::kShared;
      first_change = *tensor.step;
      for (const size_t reader : tensor.readers) {
        if (reader != index) first_change = std::max(first_change, reader);
      }
      break;
    }
    for (Step::Input& input : step.inputs) {
      if (may_share(input) && is_only_read(input) &&
          *plan_.tensors[input.tensor].step >= first_change) {
        input.gradient = GradientUse::kShared;
      }
    }
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
