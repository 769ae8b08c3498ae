// Model::layer_summaries().
#include <map>

#include "backend/multiply_adds.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "sluice/losses.h"

namespace sluice {
namespace {

// A weight's, or an operation's, of layers inside a model as well: "inner/dense/kernel".
std::string layer_of(const std::string& name, const std::map<std::string, size_t>& layers) {
  for (size_t end = name.size(); end != std::string::npos; end = name.rfind('/', end - 1)) {
    if (layers.contains(name.substr(0, end))) return name.substr(0, end);
    if (end == 0) break;
  }
  return "";
}

}  // namespace

std::vector<LayerSummary> Model::layer_summaries() const {
  std::vector<LayerSummary> summaries;
  std::map<std::string, size_t> places;
  (void)input_shapes();  // which throws where they are not known
  for (size_t i = 0; i < layers().size(); ++i) {
    const Layer& layer = *layers()[i];
    places[layer.name()] = i;
    summaries.push_back({.name = layer.name(),
                         .class_name = layer.class_name(),
                         .output_shape = impl_->call_of(i).output});
  }
  for (const Impl::Call& call : impl_->calls) {
    for (const Impl::Value value : call.inputs) {
      summaries[call.layer].inbound_layers.push_back(impl_->name_of(value));
    }
  }
  for (const core::Variable& variable : parameters().layout().variables()) {
    const auto place = places.find(layer_of(variable.name, places));
    if (place == places.end()) continue;
    LayerSummary& summary = summaries[place->second];
    summary.parameters += variable.size();
    if (nn::is_trained(*this, variable)) summary.trainable_parameters += variable.size();
  }
  const backend::Graph graph = nn::lower(*this, LossSpec(MeanSquaredError{}));
  for (const backend::Op& op : graph.ops) {
    const auto place = places.find(layer_of(op.name, places));
    if (place == places.end()) continue;
    summaries[place->second].multiply_adds += backend::multiply_adds(graph, op);
  }
  return summaries;
}

}  // namespace sluice
