#include "nn/graph_builder.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "nn/nested_model.h"
#include "nn/weight_rules.h"

namespace sluice::nn {

GraphBuilder::GraphBuilder(std::vector<Shape> inputs, const core::ParameterLayout& layout)
    : layout_(layout), graph_(std::move(inputs)) {
  graph_.parameter_size = layout.size();
}

backend::ParameterSlice GraphBuilder::parameter(const std::string& weight) const {
  const std::string name = layer_ + "/" + weight;
  for (const core::Variable& variable : layout_.variables()) {
    if (variable.name != name) continue;
    using Role = backend::ParameterRole;
    const Role role = frozen_              ? Role::kFrozen
                      : variable.trainable ? Role::kTrainable
                                           : Role::kState;
    return {variable.offset, variable.size(), role};
  }
  SLUICE_CHECK(false) << "no variable " << name;
  return {};
}

void GraphBuilder::begin_call(const Layer& layer, std::vector<backend::ValueId> inputs) {
  const Scope& scope = scopes_.back();
  layer_ = scope.prefix + layer.name();
  frozen_ = !layer.trainable() || scope.is_frozen;
  inputs_ = std::move(inputs);
  value_ = inputs_.front();
}

void GraphBuilder::append_to_input(size_t input, backend::OpKind kind, Shape output) {
  inputs_[input] = graph_.add(layer_, std::move(kind), {inputs_[input]}, std::move(output));
}

void GraphBuilder::add_weight_rules(const Layer& layer) {
  // Those of the layers inside come when they are called.
  if (dynamic_cast<const NestedModel*>(&layer) != nullptr) return;
  for (const WeightSpec& weight : layer.weights(shape())) {
    if (weight.regularizer.empty() && weight.constraint.empty()) continue;
    backend::WeightRule rule = weight_rule(layer.class_name() + " \"" + layer_ + '"', weight);
    rule.slice = parameter(weight.name);
    if (rule.slice.role != backend::ParameterRole::kTrainable) continue;
    const auto is_same = [&](const backend::WeightRule& other) {
      return other.slice.offset == rule.slice.offset;
    };
    if (std::ranges::none_of(graph_.weight_rules, is_same)) graph_.weight_rules.push_back(rule);
  }
}

void GraphBuilder::add_activity_penalty(backend::ActivityPenalty penalty) {
  if (penalty.l1 == 0 && penalty.l2 == 0) return;
  penalty.value = value_;
  graph_.activity_penalties.push_back(penalty);
}

std::vector<backend::ValueId> GraphBuilder::enter(const Layer& layer) {
  const Scope& around = scopes_.back();
  scopes_.push_back({around.prefix + layer.name() + "/", around.is_frozen || !layer.trainable()});
  return inputs_;
}

void GraphBuilder::leave(backend::ValueId output) {
  scopes_.pop_back();
  value_ = output;
}

void GraphBuilder::append_merge(backend::OpKind kind, Shape output) {
  value_ = graph_.add(layer_, std::move(kind), inputs_, std::move(output));
}

void GraphBuilder::append(backend::OpKind kind, Shape output) {
  value_ = graph_.add(layer_, std::move(kind), {value_}, std::move(output));
}

void GraphBuilder::append_activation(const backend::ActivationOp& op) {
  if (op.activation == backend::Activation::kLinear) return;
  append(op, shape());
}

}  // namespace sluice::nn
