#include "train/logits.h"

#include <fmt/core.h>

#include <optional>

#include "core/log.h"
#include "loss/traits.h"
#include "nn/activations.h"
#include "nn/model_impl.h"

namespace sluice::train {
namespace {

// The activation that an output ends in; none of a layer of the program's own.
struct End {
  std::optional<backend::ActivationOp> activation;
  bool is_last;  // nothing comes behind it that moves or selects
};
End end_of(const backend::Graph& graph, backend::ValueId value) {
  // What only moves or selects outputs, or takes their mean, leaves probabilities what they are; of
  // several that a mean is of, the first one is looked at.
  const auto keeps = [](const backend::Op& op) {
    const auto* merge = std::get_if<backend::MergeOp>(&op.kind);
    return (merge != nullptr && merge->kind == backend::MergeOp::Kind::kAverage) ||
           std::holds_alternative<backend::ReshapeOp>(op.kind) ||
           std::holds_alternative<backend::NoiseOp>(op.kind) ||
           std::holds_alternative<backend::RearrangeOp>(op.kind) ||
           std::holds_alternative<backend::Pool2DOp>(op.kind);
  };
  End end{backend::ActivationOp{}, true};
  for (auto op = graph.ops.rbegin(); op != graph.ops.rend(); ++op) {
    if (op->output != value) continue;
    if (keeps(*op)) {
      value = op->inputs.front();
      end.is_last = false;
      continue;
    }
    if (std::holds_alternative<backend::HostOp>(op->kind)) end.activation.reset();
    if (const auto* kind = std::get_if<backend::ActivationOp>(&op->kind)) {
      end.activation = *kind;
    }
    return end;
  }
  end.is_last = false;
  return end;
}

// Whether an activation gives probabilities.
bool is_link(backend::Activation activation) {
  return activation == backend::Activation::kSoftmax || activation == backend::Activation::kSigmoid;
}

}  // namespace

void warn_of_logits(const Model& model, const std::vector<nn::OutputTask>& tasks) {
  if (model.impl().warned_of_logits) return;
  const backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks));
  for (size_t k = 0; k < tasks.size(); ++k) {
    const LossSpec& loss = tasks[k].loss;
    const loss::Traits traits = loss::traits_of(loss);
    const bool takes_probabilities = traits.link != loss::Link::kNone || traits.of_probabilities;
    const End end = end_of(graph, graph.outputs[k].value);
    if (!takes_probabilities || !end.activation) continue;
    const bool wants_logits = loss::takes_logits(loss);
    if (is_link(end.activation->activation) != wants_logits) continue;
    if (model.impl().warned_of_logits.exchange(true)) return;
    const std::string& name = model.impl().name_of(model.impl().outputs[k]);
    if (wants_logits) {
      SLUICE_LOG(warn,
                 "the loss {} is told that it gets logits, but the last layer \"{}\" ends in {}: "
                 "leave out from_logits, or that activation",
                 loss.name(), name, nn::name_of(*end.activation));
      return;
    }
    const bool one = graph.classes(graph.outputs[k]) == 1 && traits.link == loss::Link::kNone;
    // softmax(log_softmax(x)) is softmax(x).
    if (end.activation->activation == backend::Activation::kLogSoftmax &&
        traits.link == loss::Link::kSoftmax) {
      SLUICE_LOG(
          warn,
          "the loss {0} takes probabilities, but the last layer \"{1}\" ends in log_softmax: "
          "take the loss {0}(from_logits=true), which is exactly right there",
          loss.name(), name);
      return;
    }
    const char* wanted = one || traits.link == loss::Link::kSigmoid ? "sigmoid" : "softmax";
    const bool may_be_logits = traits.link != loss::Link::kNone &&
                               end.activation->activation == backend::Activation::kLinear;
    SLUICE_LOG(
        warn, "the loss {} takes probabilities, but the last layer \"{}\" ends in {}: add {}{}",
        loss.name(), name, nn::name_of(*end.activation),
        end.is_last ? fmt::format("activation=\"{}\"", wanted)
                    : fmt::format("Activation(\"{}\") behind it", wanted),
        may_be_logits ? fmt::format(", or take the loss {}(from_logits=true)", loss.name()) : "");
    return;
  }
}

}  // namespace sluice::train
