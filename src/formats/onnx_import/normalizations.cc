#include <fmt/core.h>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {

Value batch_normalization(Importer& in, const OnnxNode& node) {
  Value x = in.operand(node, 0);
  if (x.dims.empty()) fail(node, "its input has no channels");
  if (node.integer("training_mode", 0) != 0) fail(node, "it is of training, not of inference");
  if (node.integer("spatial", 1) != 1) fail(node, "Sluice has it by channels only");
  x = with_last(in, x, 0, node);
  const std::string name = in.layer_name(node);
  static constexpr const char* kWeights[] = {"gamma", "beta", "moving_mean", "moving_variance"};
  for (size_t k = 0; k < std::size(kWeights); ++k) {
    std::vector<float> values = in.floats(node, k + 1, kWeights[k]);
    if (values.size() != static_cast<size_t>(x.dims[0])) {
      fail(node, fmt::format("{} does not fit the channels", kWeights[k]));
    }
    in.set_weight(name + "/" + kWeights[k], std::move(values));
  }
  const double momentum = node.number("momentum", 0.9f), epsilon = node.number("epsilon", 1e-5f);
  return after(
      x, BatchNormalization({.momentum = momentum, .epsilon = epsilon, .name = name})(*x.tensor));
}

Value instance_normalization(Importer& in, const OnnxNode& node) {
  Value x = in.operand(node, 0);
  if (x.dims.size() < 2) fail(node, "its input is no image");
  x = with_last(in, x, 0, node);
  const std::string name = in.layer_name(node);
  in.set_weight(name + "/gamma", in.floats(node, 1, "the scale"));
  in.set_weight(name + "/beta", in.floats(node, 2, "the bias"));
  const double epsilon = node.number("epsilon", 1e-5f);
  return after(x, GroupNormalization({.groups = -1, .epsilon = epsilon, .name = name})(*x.tensor));
}

Value layer_normalization(Importer& in, const OnnxNode& node) {
  Value x = in.operand(node, 0);
  const size_t rank = x.dims.size(), first = axis_of(node, node.integer("axis", -1), rank);
  x = in_natural_order(in, std::move(x), node);
  std::vector<int64_t> axes;
  size_t size = 1;
  for (size_t k = first; k < rank; ++k) {
    axes.push_back(static_cast<int64_t>(k) + 1);
    size *= static_cast<size_t>(x.dims[k]);
  }
  if (axes.size() == 1) axes = {-1};
  const std::string name = in.layer_name(node);
  const bool has_bias = has_input(node, 2);
  for (size_t k = 1; k <= (has_bias ? 2u : 1u); ++k) {
    std::vector<float> values = in.floats(node, k, "a weight");
    if (values.size() != size) fail(node, "a weight does not fit what is normalized");
    in.set_weight(name + (k == 1 ? "/gamma" : "/beta"), std::move(values));
  }
  const double epsilon = node.number("epsilon", 1e-5f);
  return after(
      x, LayerNormalization({.axis = axes, .epsilon = epsilon, .center = has_bias, .name = name})(
             *x.tensor));
}

}  // namespace sluice::formats::onnx
