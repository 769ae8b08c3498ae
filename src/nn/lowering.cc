#include "nn/lowering.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "core/check.h"
#include "nn/graph_builder.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "nn/nested_model.h"
#include "optim/optimizer.h"
#include "sluice/errors.h"

namespace sluice::nn {

namespace {

// Whether no layer on the way to the variable of this name is frozen.
bool is_unfrozen(const Model& model, const std::string& name) {
  for (const auto& layer : model.layers()) {
    const std::string prefix = layer->name() + "/";
    if (!name.starts_with(prefix)) continue;
    const auto* nested = dynamic_cast<const NestedModel*>(layer.get());
    return layer->trainable() &&
           (nested == nullptr || is_unfrozen(nested->model(), name.substr(prefix.size())));
  }
  return false;
}

// Of the first few.
std::string name_list(std::span<const core::Variable> variables) {
  constexpr size_t kMost = 5;
  std::string names;
  for (size_t i = 0; i < std::min(kMost, variables.size()); ++i) {
    names += (i == 0 ? "" : ", ") + variables[i].name;
  }
  return names + (variables.size() > kMost ? ", ..." : "");
}

}  // namespace

bool is_trained(const Model& model, const core::Variable& variable) {
  return variable.trainable && is_unfrozen(model, variable.name);
}

std::vector<ParameterRange> undecayed_ranges(const Model& model, const OptimizerSpec& optimizer) {
  std::vector<ParameterRange> ranges;
  const auto& variables = model.parameters().layout().variables();
  for (const std::string& name : optimizer.exclude_from_weight_decay) {
    OptimizerSpec alone;
    alone.exclude_from_weight_decay = {name};
    const auto has_it = [&](const core::Variable& variable) {
      return optim::is_undecayed(alone, variable.name);
    };
    if (std::ranges::any_of(variables, has_it)) continue;
    throw std::invalid_argument(fmt::format(
        "optimizer \"{}\": exclude_from_weight_decay: the model has no weight \"{}\", nor "
        "one with this in its own name; it has {}",
        optimizer.name, name, name_list(variables)));
  }
  for (const core::Variable& variable : variables) {
    if (!optim::is_undecayed(optimizer, variable.name)) continue;
    optim::add_range(ranges, variable.offset, variable.size());
  }
  return ranges;
}

backend::Graph lower(const Model& model, const LossSpec& loss) {
  return lower(model, std::vector(model.impl().outputs.size(), backend::GraphOutput{.loss = loss}));
}

std::vector<backend::GraphOutput> parse_tasks(const std::vector<OutputTask>& tasks) {
  std::vector<backend::GraphOutput> outputs;
  for (const OutputTask& task : tasks) {
    backend::GraphOutput output{.loss = task.loss, .weight = task.weight};
    for (const std::string& metric : task.metrics) output.metrics.push_back(parse_metric(metric));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

void lower_calls(const Model::Impl& impl, std::vector<backend::ValueId>& values,
                 GraphBuilder& builder) {
  for (const Model::Impl::Call& call : impl.calls) {
    std::vector<backend::ValueId> inputs;
    for (const Model::Impl::Value value : call.inputs) inputs.push_back(values[value]);
    const Layer& layer = *impl.layers[call.layer];
    builder.begin_call(layer, std::move(inputs));
    builder.add_weight_rules(layer);
    layer.lower(builder);
    values.push_back(builder.value());
  }
}

backend::Graph lower(const Model& model, std::vector<backend::GraphOutput> outputs) {
  std::vector<Shape> shapes = model.input_shapes();
  if (model.layers().empty()) {
    throw ShapeError(fmt::format("Sequential \"{}\": there are no layers; add some", model.name()));
  }
  const Model::Impl& impl = model.impl();
  SLUICE_CHECK(outputs.size() == impl.outputs.size()) << outputs.size() << " outputs";
  std::vector<backend::ValueId> values(shapes.size());  // of each value of the model
  std::iota(values.begin(), values.end(), backend::ValueId{0});
  GraphBuilder builder(std::move(shapes), model.parameters().layout());
  lower_calls(impl, values, builder);
  backend::Graph graph = std::move(builder).take();
  for (size_t k = 0; k < outputs.size(); ++k) outputs[k].value = values[impl.outputs[k]];
  graph.outputs = std::move(outputs);
  return graph;
}

}  // namespace sluice::nn
