#include "nn/lowering.h"

#include <fmt/core.h>

#include <numeric>
#include <utility>

#include "core/check.h"
#include "nn/graph_builder.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::nn {

bool is_trained(const Model& model, const core::Variable& variable) {
  const std::string layer = variable.name.substr(0, variable.name.rfind('/'));
  return variable.trainable && model.get_layer(layer).trainable();
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
  for (const Model::Impl::Call& call : impl.calls) {
    std::vector<backend::ValueId> inputs;
    for (const Model::Impl::Value value : call.inputs) inputs.push_back(values[value]);
    const Layer& layer = *impl.layers[call.layer];
    builder.begin_call(layer, std::move(inputs));
    builder.add_weight_rules(layer);
    layer.lower(builder);
    values.push_back(builder.value());
  }
  backend::Graph graph = std::move(builder).take();
  for (size_t k = 0; k < outputs.size(); ++k) outputs[k].value = values[impl.outputs[k]];
  graph.outputs = std::move(outputs);
  return graph;
}

}  // namespace sluice::nn
