// OnnxOperations: normalization of each sample's elements.
#include <string>

#include "formats/onnx_operations.h"

namespace sluice::formats {

using backend::NormalizeOp;

bool OnnxOperations::append_layer_normalization(const Op& op, const NormalizeOp& norm) {
  const size_t rank = norm.view.size();
  size_t first = rank;
  while (first > 0 && norm.view[first - 1].normalized) --first;
  Ints dims;
  for (size_t k = 0; k < rank; ++k) {
    const NormalizeOp::Axis& axis = norm.view[k];
    const bool has_weights = norm.gamma || norm.beta;
    if (axis.size != input_shape(op)[static_cast<int>(k)]) return false;
    if (axis.normalized != (k >= first) || axis.weighted != (has_weights && k >= first)) {
      return false;
    }
    if (k >= first) dims.push_back(axis.size);
  }
  if (norm.kind != NormalizeOp::Kind::kStandard || dims.empty()) return false;
  OnnxNodes::Names inputs{values_.get(input(op), ChannelLayout::kLast),
                          constant_or(norm.gamma, dims, 1)};
  if (norm.beta) inputs.push_back(constant(dims, *norm.beta));
  values_.set(op.output, ChannelLayout::kLast,
              nodes_.add_node("LayerNormalization", inputs,
                              {{"axis", static_cast<int64_t>(first) + 1},
                               {"epsilon", static_cast<float>(norm.epsilon)}}));
  return true;
}

// Groups of neighbouring channels, each over the whole image.
bool OnnxOperations::append_group_normalization(const Op& op, const NormalizeOp& norm) {
  const Shape& shape = input_shape(op);
  const size_t rank = norm.view.size();
  if (norm.kind != NormalizeOp::Kind::kStandard || shape.rank() + 1 != static_cast<int>(rank)) {
    return false;
  }
  const bool weighted = norm.gamma || norm.beta;
  for (size_t k = 0; k < rank; ++k) {
    const NormalizeOp::Axis& axis = norm.view[k];
    const bool is_channel = k + 2 >= rank;
    if (!is_channel && axis.size != shape.dims()[k]) return false;
    if (axis.normalized != (k + 2 != rank) || axis.weighted != (weighted && is_channel)) {
      return false;
    }
  }
  const int64_t groups = norm.view[rank - 2].size, channels = shape.dims().back();
  const std::string x = values_.get(input(op), ChannelLayout::kFirst);
  const std::string rows = nodes_.add_conversion("Reshape", {x, nodes_.integers({0, groups, -1})});
  std::string y = nodes_.add_node(
      "InstanceNormalization", {rows, constant_or({}, {groups}, 1), constant_or({}, {groups}, 0)},
      {{"epsilon", static_cast<float>(norm.epsilon)}});
  Ints dims = OnnxValues::dims(shape, ChannelLayout::kFirst), weights(dims.size(), 1);
  weights[0] = channels;
  dims.insert(dims.begin(), 0);
  y = nodes_.add_node("Reshape", {y, nodes_.integers(dims)});
  if (norm.gamma) y = nodes_.multiply(y, constant(weights, *norm.gamma));
  if (norm.beta) y = nodes_.add(y, constant(weights, *norm.beta));
  values_.set(op.output, ChannelLayout::kFirst, y);
  return true;
}

// Of a value in the view's shape, without the weights.
std::string OnnxOperations::normalized(const std::string& x, const NormalizeOp& norm) {
  using Kind = NormalizeOp::Kind;
  using Arithmetic = ElementwiseNodes::Arithmetic;
  Ints axes;
  for (size_t k = 0; k < norm.view.size(); ++k) {
    if (norm.view[k].normalized) axes.push_back(static_cast<int64_t>(k) + 1);
  }
  if (norm.kind == Kind::kNone) return x;
  const auto mean = [&](const std::string& of) {  // without axes ONNX means all of them
    return axes.empty() ? of : nodes_.add_node("ReduceMean", {of}, {{"axes", axes}});
  };
  const auto epsilon = static_cast<float>(norm.epsilon);
  if (norm.kind == Kind::kUnit) {
    const std::string length = axes.empty() ? nodes_.function(ElementwiseNodes::Function::kAbs, x)
                                            : nodes_.add_node("ReduceL2", {x}, {{"axes", axes}});
    return nodes_.arithmetic(Arithmetic::kDivide, x, nodes_.at_least(length, epsilon));
  }
  const std::string centered = norm.kind == Kind::kRms ? x : nodes_.subtract(x, mean(x));
  const std::string square = mean(nodes_.multiply(centered, centered));
  const std::string root =
      nodes_.function(ElementwiseNodes::Function::kSqrt, nodes_.add(square, epsilon));
  return nodes_.arithmetic(Arithmetic::kDivide, centered, root);
}

void OnnxOperations::append(const Op& op, const NormalizeOp& norm) {
  if (append_layer_normalization(op, norm) || append_group_normalization(op, norm)) return;
  const Ints shape = input_shape(op).dims();
  Ints view;
  for (const NormalizeOp::Axis& axis : norm.view) view.push_back(axis.size);
  const auto reshaped = [&](const std::string& x, Ints dims) {
    if (view == shape) return x;
    dims.insert(dims.begin(), 0);
    return nodes_.add_conversion("Reshape", {x, nodes_.integers(dims)});
  };
  std::string y = normalized(reshaped(values_.get(input(op), ChannelLayout::kLast), view), norm);
  const Ints weights = weight_dims(norm);
  if (norm.gamma) y = nodes_.multiply(y, constant(weights, *norm.gamma));
  if (norm.beta) y = nodes_.add(y, constant(weights, *norm.beta));
  values_.set(op.output, ChannelLayout::kLast, reshaped(y, shape));
}

}  // namespace sluice::formats
