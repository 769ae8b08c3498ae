#include "nn/lowering.h"

#include <fmt/core.h>

#include "nn/graph_builder.h"
#include "nn/model_impl.h"
#include "sluice/errors.h"

namespace sluice::nn {

bool is_trained(const Model& model, const core::Variable& variable) {
  const std::string layer = variable.name.substr(0, variable.name.rfind('/'));
  return variable.trainable && model.get_layer(layer).trainable();
}

backend::Graph lower(const Model& model, const LossSpec& loss) {
  const Shape& input = model.input_shape();
  if (model.layers().empty()) {
    throw ShapeError(fmt::format("Sequential \"{}\": there are no layers; add some", model.name()));
  }
  const Model::Impl& impl = model.impl();
  GraphBuilder builder(input, model.parameters().layout(), loss);
  std::vector<backend::ValueId> values{builder.value()};  // of each value of the model
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
  graph.output = values[impl.output];
  return graph;
}

}  // namespace sluice::nn
