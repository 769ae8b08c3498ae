// OnnxOperations: what is computed element by element, and interpolation.
#include <algorithm>
#include <utility>

#include "backend/interpolation.h"
#include "formats/onnx_operations.h"

namespace sluice::formats {

using backend::Activation;
using backend::ActivationOp;
using backend::InterpolateOp;
using backend::NormalizeOp;

// In operators that are layers of ours as well, when the file is read again.
std::string OnnxOperations::rectified(const std::string& x, const Activation& f) {
  const bool has_maximum = f.maximum < Activation::kNoMaximum;
  if (!has_maximum && f.threshold == 0 && f.alpha != 0) {
    return nodes_.add_node("LeakyRelu", {x}, {{"alpha", f.alpha}});
  }
  std::string above;
  if (has_maximum && f.threshold <= 0) {
    above = nodes_.add_node("Clip", {x, nodes_.number(0), nodes_.number(f.maximum)});
  } else if (f.threshold == 0) {
    above = nodes_.function(ElementwiseNodes::Function::kRelu, x);
  } else {
    above = nodes_.add_node("ThresholdedRelu", {x}, {{"alpha", f.threshold}});
    if (has_maximum) above = nodes_.at_most(above, f.maximum);
  }
  if (f.alpha == 0) return above;
  const std::string shifted = f.threshold == 0 ? x : nodes_.add(x, -f.threshold);
  return nodes_.add(above, nodes_.multiply(nodes_.at_most(shifted, 0), f.alpha));
}

std::string OnnxOperations::activated(const std::string& x, const Activation& f) {
  const auto clipped = [&](float least, float most) {
    return nodes_.add_node("Clip", {x, nodes_.number(least), nodes_.number(most)});
  };
  switch (f.kind) {
    case Activation::kRectifier:
      return rectified(x, f);
    case Activation::kElu:
      return nodes_.add_node("Elu", {x}, {{"alpha", f.alpha}});
    case Activation::kCelu:
      return nodes_.add_node("Celu", {x}, {{"alpha", f.alpha}});
    case Activation::kHardSigmoid:
      return nodes_.add_node("HardSigmoid", {x}, {{"alpha", f.alpha}, {"beta", 0.5f}});
    case Activation::kSparseSigmoid:
      return nodes_.add_node("HardSigmoid", {x}, {{"alpha", 0.5f}, {"beta", 0.5f}});
    case Activation::kHardSilu:
      return nodes_.add_node("HardSwish", {x});
    case Activation::kHardTanh:
      return clipped(-1, 1);
    case Activation::kHardShrink:
      return nodes_.add_node("Shrink", {x}, {{"bias", 0.0f}, {"lambd", f.alpha}});
    case Activation::kSoftShrink:
      return nodes_.add_node("Shrink", {x}, {{"bias", f.alpha}, {"lambd", f.alpha}});
    default:
      break;
  }
  return append_activation(nodes_, f, x);
}

void OnnxOperations::append(const Op& op, const ActivationOp& activation) {
  const Activation& f = activation.activation;
  if (f.kind == Activation::kLinear) return values_.set_alias(op.output, input(op));
  const ChannelLayout layout = values_.preferred({input(op)});
  const std::string x = values_.get(input(op), layout);
  if (f.is_elementwise()) return values_.set(op.output, layout, activated(x, f));
  const int axis = activation.axis < 0 ? input_shape(op).rank() - 1 : activation.axis;
  values_.set(op.output, layout,
              nodes_.add_node(f.kind == Activation::kSoftmax ? "Softmax" : "LogSoftmax", {x},
                              {{"axis", values_.axis_of(op.output, axis, layout)}}));
}

// relu(x) - alpha relu(-x) in five operations, as PReLU is lowered.
bool OnnxOperations::append_prelu(size_t index) {
  const auto& ops = model_.graph.ops;
  if (index + 5 > ops.size()) return false;
  const auto is_relu = [](const Op& op) {
    const auto* activation = std::get_if<ActivationOp>(&op.kind);
    return activation != nullptr && activation->activation == Activation::kRelu;
  };
  const Op &above = ops[index], &negated = ops[index + 1], &below = ops[index + 2],
           &scaled = ops[index + 3], &merged = ops[index + 4];
  const auto* negation = std::get_if<backend::AffineOp>(&negated.kind);
  const auto* scale = std::get_if<NormalizeOp>(&scaled.kind);
  const auto* merge = std::get_if<backend::MergeOp>(&merged.kind);
  if (!is_relu(above) || negation == nullptr || !is_relu(below) || scale == nullptr ||
      merge == nullptr || scale->kind != NormalizeOp::Kind::kNone || !scale->gamma || scale->beta ||
      negation->scale != std::vector<float>{-1} ||
      merge->kind != backend::MergeOp::Kind::kSubtract || input(above) != input(negated) ||
      input(below) != negated.output || input(scaled) != below.output ||
      merged.inputs != std::vector<ValueId>{above.output, scaled.output}) {
    return false;
  }
  const ChannelLayout layout = values_.preferred({input(above)});
  Ints dims = weight_dims(*scale);
  if (dims.empty()) dims = {1};
  const Ints in_file = OnnxValues::dims(Shape(dims), layout);
  std::vector<int> order;
  for (int k = 0; k < static_cast<int>(dims.size()); ++k) order.push_back(k);
  if (in_file != dims || layout == ChannelLayout::kFirst) {
    std::rotate(order.begin(), order.end() - 1, order.end());
  }
  const std::string slopes = constant(dims, order, *scale->gamma);
  const std::string x = values_.get(input(above), layout);
  values_.set(merged.output, layout, nodes_.add_node("PRelu", {x, slopes}));
  return true;
}

// Two interpolations, of rows and of columns, as UpSampling2D is lowered.
bool OnnxOperations::append_resize(size_t index) {
  const auto& ops = model_.graph.ops;
  if (index + 2 > ops.size()) return false;
  const auto* rows = std::get_if<InterpolateOp>(&ops[index].kind);
  const auto* columns = std::get_if<InterpolateOp>(&ops[index + 1].kind);
  if (rows == nullptr || columns == nullptr || input(ops[index + 1]) != ops[index].output ||
      rows->axis != 0 || columns->axis != 1 || rows->kind != columns->kind ||
      ops[index].name != ops[index + 1].name) {
    return false;
  }
  using Kind = InterpolateOp::Kind;
  if (rows->kind != Kind::kLinear && rows->kind != Kind::kCubic) return false;
  const std::vector<float> scales{1, 1, static_cast<float>(rows->factor),
                                  static_cast<float>(columns->factor)};
  std::vector<OnnxNodes::Attribute> attributes{
      {"coordinate_transformation_mode", std::string("half_pixel")}};
  if (rows->kind == Kind::kLinear) {
    attributes.push_back({"mode", std::string("linear")});
  } else {
    attributes.insert(attributes.end(), {{"mode", std::string("cubic")},
                                         {"cubic_coeff_a", -0.5f},
                                         {"exclude_outside", int64_t{1}}});
  }
  const std::string x = values_.get(input(ops[index]), ChannelLayout::kFirst);
  values_.set(ops[index + 1].output, ChannelLayout::kFirst,
              nodes_.add_node("Resize", {x, "", nodes_.floats({4}, scales)}, attributes));
  return true;
}

// Along rows and columns of an image by a matrix product.
void OnnxOperations::append(const Op& op, const InterpolateOp& interpolate) {
  const Shape& shape = input_shape(op);
  const int64_t n = shape[interpolate.axis], grown = n * interpolate.factor;
  const std::vector<float> weights = backend::interpolation_matrix(interpolate, n);
  const std::string x = values_.get(input(op), ChannelLayout::kFirst);
  const std::string y =
      interpolate.axis == 0
          ? nodes_.add_node("MatMul", {nodes_.floats({grown, n}, weights), x})
          : nodes_.add_node(
                "MatMul", {x, nodes_.floats({n, grown}, transposed(weights, {grown, n}, {1, 0}))});
  values_.set(op.output, ChannelLayout::kFirst, y);
}

ChannelLayout OnnxOperations::layout_for(ValueId value, size_t constants) const {
  const Shape& shape = model_.shape_of(value);
  const bool is_scalar = constants == 1;
  const bool by_channel = shape.rank() > 0 && constants == static_cast<size_t>(shape.dims().back());
  return is_scalar || by_channel ? values_.preferred({value}) : ChannelLayout::kLast;
}

std::string OnnxOperations::along_last(std::span<const float> values, const Shape& shape,
                                       ChannelLayout layout) {
  if (values.size() == 1) return nodes_.floats({}, values);
  const auto rank = static_cast<size_t>(shape.rank());
  if (layout == ChannelLayout::kFirst && rank > 1) {
    Ints dims(rank, 1);
    dims[0] = static_cast<int64_t>(values.size());
    return nodes_.floats(dims, values);
  }
  Ints dims;
  size_t size = 1;
  for (size_t k = rank; k-- > 0 && size < values.size();) {
    dims.insert(dims.begin(), shape.dims()[k]);
    size *= static_cast<size_t>(shape.dims()[k]);
  }
  return nodes_.floats(dims, values);
}

void OnnxOperations::append(const Op& op, const backend::AffineOp& affine) {
  const Shape& shape = input_shape(op);
  const ChannelLayout layout = layout_for(input(op), affine.scale.size());
  std::string x = values_.get(input(op), layout);
  const auto all = [](const std::vector<float>& values, float value) {
    return std::ranges::all_of(values, [value](float each) { return each == value; });
  };
  const bool keeps = all(affine.center, 0) && all(affine.scale, 1) && all(affine.offset, 0);
  if (keeps) return values_.set_alias(op.output, input(op));
  if (!all(affine.center, 0)) x = nodes_.subtract(x, along_last(affine.center, shape, layout));
  if (!all(affine.scale, 1)) x = nodes_.multiply(x, along_last(affine.scale, shape, layout));
  if (!all(affine.offset, 0)) x = nodes_.add(x, along_last(affine.offset, shape, layout));
  values_.set(op.output, layout, x);
}

void OnnxOperations::append(const Op& op, const backend::StandardizeOp& standardize) {
  const Shape& shape = input_shape(op);
  const ChannelLayout layout = layout_for(input(op), standardize.mean.size);
  const std::string x = values_.get(input(op), layout);
  const std::string mean = along_last(model_.values_of(standardize.mean), shape, layout);
  const std::string deviation = along_last(deviations_of(model_, standardize), shape, layout);
  using Arithmetic = ElementwiseNodes::Arithmetic;
  values_.set(op.output, layout,
              standardize.invert
                  ? nodes_.add(nodes_.multiply(x, deviation), mean)
                  : nodes_.arithmetic(Arithmetic::kDivide, nodes_.subtract(x, mean), deviation));
}

}  // namespace sluice::formats
