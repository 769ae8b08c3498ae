// Gradients: who has one, who writes it and who adds to it.
#include <algorithm>
#include <map>

#include "backend/plan_passes.h"

namespace sluice::backend {
namespace {

class GradientPass {
 public:
  GradientPass(const Graph& graph, const PlanOptions& options, Plan& plan)
      : graph_(graph),
        options_(options),
        plan_(plan),
        written_(plan.tensors.size(), false),
        last_input_(plan.tensors.size(), nullptr) {}

  void run() {
    find_gradients();
    for (PlannedOutput& output : plan_.outputs) output.gradient = use_gradient(output.tensor);
    for (PlannedPenalty& penalty : plan_.penalties) {
      penalty.gradient = use_gradient(penalty.tensor);
    }
    for (size_t i = plan_.steps.size(); i-- > 0;) {
      if (plan_.steps[i].has_backward) use_gradients_of(i);
    }
    for (auto& [offset, parameter] : last_use_) parameter->is_complete = true;
    for (Tensor& tensor : plan_.tensors) {
      tensor.reader_differentiates = is_differentiated_by_reader(tensor);
    }
    for (size_t i = 0; i < plan_.tensors.size(); ++i) differentiate_in_sum(i);
  }

 private:
  void find_gradients() {
    for (Step& step : plan_.steps) {
      const auto has_gradient = [&](const Step::Input& input) {
        return plan_.tensors[input.tensor].has_gradient;
      };
      step.has_backward = step.trains_parameters() ||
                          std::any_of(step.inputs.begin(), step.inputs.end(), has_gradient);
      plan_.tensors[step.output].has_gradient = step.has_backward;
    }
  }

  // By the next one of the backward pass.
  GradientUse use_gradient(size_t tensor) {
    if (!plan_.tensors[tensor].has_gradient) return GradientUse::kNone;
    const bool is_first = !written_[tensor];
    written_[tensor] = true;
    return is_first ? GradientUse::kWritten : GradientUse::kAdded;
  }

  void use_gradients_of(size_t index) {
    Step& step = plan_.steps[index];
    for (Step::Input& input : step.inputs) {
      input.gradient = use_gradient(input.tensor);
      last_input_[input.tensor] = &input;
    }
    if (step.passes_gradient) share_gradient(index);
    for (Step::Parameter& parameter : step.parameters) {
      if (parameter.slice.role != ParameterRole::kTrainable || parameter.slice.size == 0) continue;
      const auto [found, is_first] = last_use_.try_emplace(parameter.slice.offset);
      parameter.gradient = is_first ? GradientUse::kWritten : GradientUse::kAdded;
      found->second = &parameter;
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

  bool is_differentiated_by_reader(const Tensor& tensor) const {
    if (!tensor.has_gradient || !tensor.is_read_once() || options_.differentiates == nullptr ||
        tensor.activation == Activation::kLinear) {
      return false;
    }
    const Op* reader = plan_.steps[tensor.readers.front()].op;
    return reader != nullptr && options_.differentiates(*reader, tensor.activation);
  }

  void differentiate_in_sum(size_t index) {
    Tensor& tensor = plan_.tensors[index];
    Step::Input* const last = last_input_[index];
    if (last == nullptr || last->gradient != GradientUse::kAdded ||
        tensor.activation == Activation::kLinear) {
      return;
    }
    // Others, such as BatchNormalization, have the ReLU's mask for free.
    if (!traits_of(graph_, *plan_.steps[*tensor.step].op).takes_activation) return;
    tensor.sum_differentiates = last->differentiates_sum = true;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  Plan& plan_;
  std::vector<bool> written_;                    // of each tensor, its gradient
  std::vector<Step::Input*> last_input_;         // that a gradient of it comes from
  std::map<size_t, Step::Parameter*> last_use_;  // by where the slice begins
};

}  // namespace

void plan_gradients(const Graph& graph, const PlanOptions& options, Plan& plan) {
  GradientPass(graph, options, plan).run();
}

}  // namespace sluice::backend
