#include "formats/tensorflow_operations.h"

#include <algorithm>
#include <utility>

#include "backend/interpolation.h"

namespace sluice::formats {

using backend::Activation;
using backend::MergeOp;
using backend::NormalizeOp;
using backend::RearrangeOp;
using Type = TensorflowNodes::Type;
using Arithmetic = ElementwiseNodes::Arithmetic;

void TensorflowOperations::append(const Op& op) {
  nodes_.begin_layer(op.name);
  values_[op.output] = std::visit([&](const auto& kind) { return value_of(op, kind); }, op.kind);
}

TensorflowOperations::Ints TensorflowOperations::batched(const Shape& shape) {
  Ints dims = shape.dims();
  dims.insert(dims.begin(), -1);
  return dims;
}

std::string TensorflowOperations::constant(const Ints& dims, const backend::ParameterSlice& slice) {
  std::string& name = constants_[{slice.offset, slice.size, dims}];
  if (name.empty()) name = nodes_.floats(dims, model_.values_of(slice));
  return name;
}

std::string TensorflowOperations::sliced(const std::string& x, const Ints& begins,
                                         const Ints& sizes) {
  return nodes_.add_conversion("Slice", {x, nodes_.integers(begins), nodes_.integers(sizes)},
                               {{"Index", Type::kInt32}});
}

std::string TensorflowOperations::transposed_value(const std::string& x,
                                                   const std::vector<int>& order) {
  Ints perm{0};
  for (const int axis : order) perm.push_back(axis + 1);
  return nodes_.add_conversion("Transpose", {x, nodes_.integers(perm)}, {{"Tperm", Type::kInt32}});
}

std::string TensorflowOperations::value_of(const Op& op, const backend::ReshapeOp&) {
  if (input_shape(op) == output_shape(op)) return x(op);
  return nodes_.add_node("Reshape", {x(op), nodes_.integers(batched(output_shape(op)))},
                         {{"Tshape", Type::kInt32}});
}

std::string TensorflowOperations::value_of(const Op& op, const backend::DenseOp& dense) {
  const int64_t features = input_shape(op).dims().back(), units = output_shape(op).dims().back();
  const bool is_plain = input_shape(op).rank() == 1;
  const std::string rows = is_plain ? x(op) : nodes_.reshape(x(op), {-1, features});
  std::string y = nodes_.add_node("MatMul", {rows, constant({features, units}, dense.kernel)});
  if (dense.bias) y = nodes_.add_node("BiasAdd", {y, constant({units}, *dense.bias)});
  return is_plain ? y : nodes_.reshape(y, batched(output_shape(op)));
}

std::string TensorflowOperations::value_of(const Op& op, const backend::BatchNormOp& norm) {
  const ChannelAffine affine = affine_of(model_, norm);
  const Ints dims{static_cast<int64_t>(affine.factor.size())};
  return nodes_.add(nodes_.multiply(x(op), nodes_.floats(dims, affine.factor)),
                    nodes_.floats(dims, affine.term));
}

std::string TensorflowOperations::over_axes(const char* op, const std::string& x,
                                            const Ints& axes) {
  if (axes.empty()) return x;
  return nodes_.add_node(op, {x, nodes_.integers(axes)},
                         {{"Tidx", Type::kInt32}, {"keep_dims", true}});
}

// Of a value in the view's shape, without the weights.
std::string TensorflowOperations::normalized(const std::string& x, const NormalizeOp& norm) {
  using Kind = NormalizeOp::Kind;
  if (norm.kind == Kind::kNone) return x;
  Ints axes;
  for (size_t k = 0; k < norm.view.size(); ++k) {
    if (norm.view[k].normalized) axes.push_back(static_cast<int64_t>(k) + 1);
  }
  const auto epsilon = static_cast<float>(norm.epsilon);
  const bool is_unit = norm.kind == Kind::kUnit;
  const std::string centered =
      norm.kind == Kind::kStandard ? nodes_.subtract(x, over_axes("Mean", x, axes)) : x;
  const std::string square =
      over_axes(is_unit ? "Sum" : "Mean", nodes_.multiply(centered, centered), axes);
  const std::string length = nodes_.function(ElementwiseNodes::Function::kSqrt,
                                             is_unit ? square : nodes_.add(square, epsilon));
  return nodes_.arithmetic(Arithmetic::kDivide, centered,
                           is_unit ? nodes_.at_least(length, epsilon) : length);
}

std::string TensorflowOperations::value_of(const Op& op, const NormalizeOp& norm) {
  std::vector<int64_t> sizes;
  for (const NormalizeOp::Axis& axis : norm.view) sizes.push_back(axis.size);
  const Shape view(sizes);
  const bool is_viewed = view != input_shape(op);
  std::string y = normalized(is_viewed ? nodes_.reshape(x(op), batched(view)) : x(op), norm);
  if (norm.gamma) y = nodes_.multiply(y, constant(weight_dims(norm), *norm.gamma));
  if (norm.beta) y = nodes_.add(y, constant(weight_dims(norm), *norm.beta));
  return is_viewed ? nodes_.reshape(y, batched(input_shape(op))) : y;
}

std::string TensorflowOperations::value_of(const Op& op, const backend::ActivationOp& activation) {
  const Activation& f = activation.activation;
  if (f.is_elementwise()) {
    if (f.kind == Activation::kRectifier && f.threshold == 0) {
      if (f.maximum == Activation::kNoMaximum) {
        return nodes_.add_node("LeakyRelu", {x(op)}, {{"alpha", f.alpha}});
      }
      if (f.alpha == 0 && f.maximum == 6) return nodes_.add_node("Relu6", {x(op)});
    }
    return append_activation(nodes_, f, x(op));
  }
  const int rank = input_shape(op).rank();
  const char* name = f.kind == Activation::kSoftmax ? "Softmax" : "LogSoftmax";
  const int axis = activation.axis < 0 ? rank - 1 : activation.axis;
  if (axis == rank - 1) return nodes_.add_node(name, {x(op)});
  std::vector<int> order;  // its own inverse
  for (int k = 0; k < rank; ++k) order.push_back(k);
  std::swap(order[static_cast<size_t>(axis)], order.back());
  return transposed_value(nodes_.add_node(name, {transposed_value(x(op), order)}), order);
}

std::string TensorflowOperations::value_of(const Op& op, const MergeOp& merge) {
  using Kind = MergeOp::Kind;
  const auto arithmetic = [&] {
    switch (merge.kind) {
      case Kind::kSubtract:
        return Arithmetic::kSubtract;
      case Kind::kMultiply:
        return Arithmetic::kMultiply;
      case Kind::kMaximum:
        return Arithmetic::kMaximum;
      case Kind::kMinimum:
        return Arithmetic::kMinimum;
      default:
        return Arithmetic::kAdd;
    }
  }();
  std::string y = x(op);
  for (size_t k = 1; k < op.inputs.size(); ++k) {
    y = nodes_.arithmetic(arithmetic, y, values_[op.inputs[k]]);
  }
  if (merge.kind != Kind::kAverage) return y;
  return nodes_.multiply(y, 1.0f / static_cast<float>(op.inputs.size()));
}

std::string TensorflowOperations::repeated(const std::string& x, int64_t n, int64_t inner,
                                           int64_t repeat) {
  const std::string apart = nodes_.reshape(x, {-1, n, 1, inner});
  return nodes_.add_conversion("Tile", {apart, nodes_.integers({1, 1, repeat, 1})},
                               {{"Tmultiples", Type::kInt32}});
}

std::string TensorflowOperations::value_of(const Op& op, const RearrangeOp& rearrange) {
  const Shape &from = input_shape(op), &to = output_shape(op);
  const auto rank = static_cast<size_t>(to.rank());
  std::vector<int> order;
  std::vector<AxisMove> moves;
  Ints begins{0}, sizes{-1}, pads{0, 0}, cuts{-1};
  bool crops_any = false, pads_any = false, cuts_any = false;
  for (size_t k = 0; k < rank; ++k) {
    const int64_t size = from[rearrange.axes[k].from];
    order.push_back(rearrange.axes[k].from);
    moves.push_back(move_of(rearrange.axes[k], size, to.dims()[k]));
    const AxisMove& move = moves.back();
    begins.push_back(move.crop_before);
    sizes.push_back(size - move.crop_before - move.crop_after);
    pads.insert(pads.end(), {move.pad_before, move.pad_after});
    cuts.push_back(to.dims()[k]);
    crops_any |= move.is_crop();
    pads_any |= move.is_pad();
    cuts_any |= move.surplus != 0;
  }
  std::string y = x(op);
  if (!std::ranges::is_sorted(order)) y = transposed_value(y, order);
  if (crops_any) y = sliced(y, begins, sizes);
  if (pads_any) {
    const auto rows = static_cast<int64_t>(rank) + 1;
    y = nodes_.add_node("Pad", {y, nodes_.reshaped_integers({rows, 2}, pads)},
                        {{"Tpaddings", Type::kInt32}});
  }
  Ints now{-1};
  for (size_t k = 0; k < rank; ++k) {
    now.push_back(sizes[k + 1] + moves[k].pad_before + moves[k].pad_after);
  }
  for (size_t k = 0; k < rank; ++k) {
    if (moves[k].repeat == 1) continue;
    int64_t inner = 1;
    for (size_t behind = k + 2; behind < now.size(); ++behind) inner *= now[behind];
    y = repeated(y, now[k + 1], inner, moves[k].repeat);
    now[k + 1] *= moves[k].repeat;
    y = nodes_.reshape(y, now);
  }
  return cuts_any ? sliced(y, Ints(rank + 1, 0), cuts) : y;
}

std::string TensorflowOperations::value_of(const Op& op,
                                           const backend::ConcatenateOp& concatenate) {
  TensorflowNodes::Names inputs;
  for (const backend::ValueId value : op.inputs) inputs.push_back(values_[value]);
  const auto count = static_cast<int64_t>(inputs.size());
  if (count == 1) return x(op);
  inputs.push_back(nodes_.integer(concatenate.axis + 1));
  return nodes_.add_node("ConcatV2", inputs, {{"N", count}, {"Tidx", Type::kInt32}});
}

// A product with a matrix, of rows of all that lies behind the axis.
std::string TensorflowOperations::value_of(const Op& op,
                                           const backend::InterpolateOp& interpolate) {
  const Shape& shape = input_shape(op);
  const int64_t n = shape[interpolate.axis];
  int64_t inner = 1;
  for (int k = interpolate.axis + 1; k < shape.rank(); ++k) inner *= shape[k];
  const std::string weights =
      nodes_.floats({1, n * interpolate.factor, n}, backend::interpolation_matrix(interpolate, n));
  const std::string y =
      nodes_.add_node("BatchMatMulV2", {weights, nodes_.reshape(x(op), {-1, n, inner})});
  return nodes_.reshape(y, batched(output_shape(op)));
}

std::string TensorflowOperations::along_last(std::span<const float> values, const Shape& shape) {
  Ints dims;
  size_t size = 1;
  for (size_t k = shape.dims().size(); k-- > 0 && size < values.size();) {
    dims.insert(dims.begin(), shape.dims()[k]);
    size *= static_cast<size_t>(shape.dims()[k]);
  }
  return nodes_.floats(dims, values);
}

std::string TensorflowOperations::value_of(const Op& op, const backend::AffineOp& affine) {
  const Shape& shape = input_shape(op);
  const auto all = [](const std::vector<float>& values, float value) {
    return std::ranges::all_of(values, [value](float each) { return each == value; });
  };
  std::string y = x(op);
  if (!all(affine.center, 0)) y = nodes_.subtract(y, along_last(affine.center, shape));
  if (!all(affine.scale, 1)) y = nodes_.multiply(y, along_last(affine.scale, shape));
  if (!all(affine.offset, 0)) y = nodes_.add(y, along_last(affine.offset, shape));
  return y;
}

std::string TensorflowOperations::value_of(const Op& op,
                                           const backend::StandardizeOp& standardize) {
  const std::string mean = along_last(model_.values_of(standardize.mean), input_shape(op));
  const std::string deviation = along_last(deviations_of(model_, standardize), input_shape(op));
  if (standardize.invert) return nodes_.add(nodes_.multiply(x(op), deviation), mean);
  return nodes_.arithmetic(Arithmetic::kDivide, nodes_.subtract(x(op), mean), deviation);
}

std::string TensorflowOperations::value_of(const Op& op, const backend::EmbeddingOp& embedding) {
  const std::string table = nodes_.floats({embedding.rows + 2, output_shape(op).dims().back()},
                                          table_with_borders(model_, embedding));
  const std::string number = nodes_.add_conversion("Floor", {x(op)});
  const std::string cut =
      nodes_.at_most(nodes_.at_least(number, -1), static_cast<float>(embedding.rows));
  const std::string row =
      nodes_.add_conversion("Cast", {cut}, {{"SrcT", Type::kFloat}, {"DstT", Type::kInt32}});
  const std::string shifted =
      nodes_.add_conversion("AddV2", {row, nodes_.integer(1)}, {{"T", Type::kInt32}});
  return nodes_.add_node("GatherV2", {table, shifted, nodes_.integer(0)},
                         {{"Tparams", Type::kFloat},
                          {"Tindices", Type::kInt32},
                          {"Taxis", Type::kInt32},
                          {"batch_dims", int64_t{0}}});
}

}  // namespace sluice::formats
