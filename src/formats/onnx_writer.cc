#include "formats/onnx_writer.h"

#include "formats/lowered_model.h"
#include "formats/onnx_operations.h"
#include "formats/onnx_values.h"
#include "formats/protobuf/onnx_nodes.h"
#include "nn/model_impl.h"

namespace sluice::formats {

std::string onnx_bytes(const Model& model) {
  const LoweredModel lowered(model, "ONNX");
  OnnxNodes nodes(model.name());
  OnnxValues values(lowered, nodes);
  const backend::Graph& graph = lowered.graph;
  for (size_t k = 0; k < graph.inputs.size(); ++k) {
    nodes.add_input(lowered.inputs[k], lowered.shape_of(graph.inputs[k]).dims());
    values.set(graph.inputs[k], ChannelLayout::kLast, lowered.inputs[k]);
  }
  std::vector<std::string> outputs;
  for (const std::string& name : lowered.outputs) outputs.push_back(nodes.reserve(name));
  OnnxOperations operations(lowered, nodes, values);
  for (size_t i = 0; i < graph.ops.size();) i += operations.append(i);
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const backend::ValueId value = graph.outputs[k].value;
    nodes.begin_layer(lowered.outputs[k]);
    nodes.add_output(outputs[k], values.get(value, ChannelLayout::kLast),
                     lowered.shape_of(value).dims());
  }
  if (const auto& preprocessing = model.impl().preprocessing) {
    nodes.add_metadata("sluice", preprocessing->to_json());
  }
  return nodes.bytes();
}

}  // namespace sluice::formats
