#include "formats/onnx_operations.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace sluice::formats {
namespace {

using backend::MergeOp;
using backend::Pool2DOp;
using backend::RearrangeOp;
using backend::ValueId;
using Ints = OnnxNodes::Ints;

// Whether elements are only repeated, along axes where there is one: nothing is padded or cut.
bool only_broadcasts(const RearrangeOp& op, const Shape& input, const Shape& output) {
  for (size_t k = 0; k < op.axes.size(); ++k) {
    const RearrangeOp::Axis& axis = op.axes[k];
    if (axis.from != static_cast<int>(k) || axis.before != 0) return false;
    if (axis.repeat != 1 && input.dims()[k] != 1) return false;
    if (output.dims()[k] != input.dims()[k] * axis.repeat) return false;
  }
  return true;
}

Ints pads_of(const backend::Padding2D& padding) {
  return {padding.top, padding.left, padding.bottom, padding.right};
}

}  // namespace

size_t OnnxOperations::append(size_t index) {
  const Op& op = model_.graph.ops[index];
  nodes_.begin_layer(op.name);
  if (append_prelu(index)) return 5;
  if (append_resize(index)) return 2;
  std::visit([&](const auto& kind) { append(op, kind); }, op.kind);
  return 1;
}

std::string OnnxOperations::constant(const Ints& dims, const backend::ParameterSlice& slice) {
  std::string& name = constants_[{slice.offset, slice.size, dims, {}}];
  if (name.empty()) name = nodes_.floats(dims, model_.values_of(slice));
  return name;
}

std::string OnnxOperations::constant(const Ints& dims, const std::vector<int>& order,
                                     const backend::ParameterSlice& slice) {
  std::string& name = constants_[{slice.offset, slice.size, dims, order}];
  if (name.empty()) {
    name = nodes_.floats(permuted(dims, order), transposed(model_.values_of(slice), dims, order));
  }
  return name;
}

std::string OnnxOperations::constant_or(const std::optional<backend::ParameterSlice>& slice,
                                        const Ints& dims, float otherwise) {
  if (slice) return constant(dims, *slice);
  const int64_t size = Shape(dims).size();
  return nodes_.floats(dims, std::vector<float>(static_cast<size_t>(size), otherwise));
}

void OnnxOperations::append(const Op& op, const backend::Conv2DOp& conv) {
  const Shape &x = input_shape(op), &y = model_.shape_of(op.output);
  OnnxNodes::Names inputs{values_.get(input(op), ChannelLayout::kFirst)};
  const Ints dims = conv.transposed ? Ints{conv.kernel_h, conv.kernel_w, y[2], x[2]}
                                    : Ints{conv.kernel_h, conv.kernel_w, x[2] / conv.groups, y[2]};
  inputs.push_back(constant(dims, {3, 2, 0, 1}, conv.kernel));
  if (conv.bias) inputs.push_back(constant({y[2]}, *conv.bias));
  std::vector<OnnxNodes::Attribute> attributes{
      {"kernel_shape", Ints{conv.kernel_h, conv.kernel_w}},
      {"strides", Ints{conv.stride_h, conv.stride_w}},
      {"pads", pads_of(conv.padding)},
      {"dilations", Ints{conv.dilation_h, conv.dilation_w}},
      {"group", conv.groups}};
  if (conv.transposed) {
    const backend::Padding2D& p = conv.padding;
    const int64_t h = (x[0] - 1) * conv.stride_h + conv.extent_h() - p.top - p.bottom;
    const int64_t w = (x[1] - 1) * conv.stride_w + conv.extent_w() - p.left - p.right;
    attributes.push_back({"output_padding", Ints{y[0] - h, y[1] - w}});
  }
  const char* type = conv.transposed ? "ConvTranspose" : "Conv";
  values_.set(op.output, ChannelLayout::kFirst, nodes_.add_node(type, inputs, attributes));
}

void OnnxOperations::append(const Op& op, const backend::DenseOp& dense) {
  const int64_t features = input_shape(op).dims().back(),
                units = model_.shape_of(op.output).dims().back();
  const OnnxValues::Flat& flat = values_.flat(input(op));
  OnnxNodes::Names inputs;
  if (input_shape(op).rank() == 1 && !flat.name.empty()) {
    const Shape& image = flat.image;
    Ints dims = image.dims();
    std::vector<int> order{image.rank() - 1};
    for (int k = 0; k < image.rank() - 1; ++k) order.push_back(k);
    dims.push_back(units);
    order.push_back(image.rank());
    inputs = {flat.name, nodes_.floats({features, units},
                                       transposed(model_.values_of(dense.kernel), dims, order))};
  } else {
    inputs = {values_.get(input(op), ChannelLayout::kLast),
              constant({features, units}, dense.kernel)};
  }
  std::string y;
  if (input_shape(op).rank() == 1) {
    if (dense.bias) inputs.push_back(constant({units}, *dense.bias));
    y = nodes_.add_node("Gemm", inputs);
  } else {
    y = nodes_.add_node("MatMul", inputs);
    if (dense.bias) y = nodes_.add(y, constant({units}, *dense.bias));
  }
  values_.set(op.output, ChannelLayout::kLast, y);
}

void OnnxOperations::append(const Op& op, const Pool2DOp& pool) {
  const Shape& x = input_shape(op);
  const Ints pads = pads_of(pool.padding);
  const bool is_max = pool.kind == Pool2DOp::Kind::kMax;
  const bool is_global = pool.pool_h == x[0] && pool.pool_w == x[1] && pads == Ints{0, 0, 0, 0};
  const OnnxNodes::Names inputs{values_.get(input(op), ChannelLayout::kFirst)};
  std::string y;
  if (is_global) {
    y = nodes_.add_node(is_max ? "GlobalMaxPool" : "GlobalAveragePool", inputs);
  } else {
    y = nodes_.add_node(is_max ? "MaxPool" : "AveragePool", inputs,
                        {{"kernel_shape", Ints{pool.pool_h, pool.pool_w}},
                         {"strides", Ints{pool.stride_h, pool.stride_w}},
                         {"pads", pads}});
  }
  values_.set(op.output, ChannelLayout::kFirst, y);
}

void OnnxOperations::append(const Op& op, const backend::BatchNormOp& norm) {
  const Ints dims{input_shape(op).dims().back()};
  const OnnxNodes::Names inputs{values_.get(input(op), ChannelLayout::kFirst),
                                constant_or(norm.gamma, dims, 1), constant_or(norm.beta, dims, 0),
                                constant(dims, norm.mean), constant(dims, norm.variance)};
  values_.set(op.output, ChannelLayout::kFirst,
              nodes_.add_node("BatchNormalization", inputs,
                              {{"epsilon", static_cast<float>(norm.epsilon)},
                               {"momentum", static_cast<float>(norm.momentum)}}));
}

ValueId OnnxOperations::unrepeated(ValueId value) const {
  for (const Op& op : model_.graph.ops) {
    if (op.output != value) continue;
    const auto* rearrange = std::get_if<RearrangeOp>(&op.kind);
    const bool repeats = rearrange != nullptr &&
                         only_broadcasts(*rearrange, input_shape(op), model_.shape_of(op.output));
    return repeats ? input(op) : value;
  }
  return value;
}

void OnnxOperations::append(const Op& op, const MergeOp& merge) {
  if (op.inputs.size() == 1) return values_.set_alias(op.output, input(op));
  std::vector<ValueId> operands;
  for (const ValueId value : op.inputs) operands.push_back(unrepeated(value));
  // ONNX repeats along axes of size 1 by itself, up to the largest size.
  Ints sizes(model_.shape_of(op.output).dims().size(), 1);
  for (const ValueId operand : operands) {
    for (size_t k = 0; k < sizes.size(); ++k) {
      sizes[k] = std::max(sizes[k], model_.shape_of(operand).dims()[k]);
    }
  }
  if (sizes != model_.shape_of(op.output).dims()) operands = op.inputs;
  const ChannelLayout layout = values_.preferred(operands);
  OnnxNodes::Names inputs;
  for (const ValueId operand : operands) inputs.push_back(values_.get(operand, layout));
  using Kind = MergeOp::Kind;
  std::string y;
  if (merge.kind == Kind::kSubtract || merge.kind == Kind::kMultiply) {
    const bool is_product = merge.kind == Kind::kMultiply;
    y = inputs.front();
    for (size_t k = 1; k < inputs.size(); ++k) {
      y = nodes_.add_node(is_product ? "Mul" : "Sub", {y, inputs[k]});
    }
  } else {
    const char* type = merge.kind == Kind::kAverage   ? "Mean"
                       : merge.kind == Kind::kMaximum ? "Max"
                       : merge.kind == Kind::kMinimum ? "Min"
                       : inputs.size() == 2           ? "Add"
                                                      : "Sum";
    y = nodes_.add_node(type, inputs);
  }
  values_.set(op.output, layout, y);
}

void OnnxOperations::append(const Op& op, const RearrangeOp& rearrange) {
  const Shape &from = input_shape(op), &to = model_.shape_of(op.output);
  std::vector<int> order;
  for (const RearrangeOp::Axis& axis : rearrange.axes) order.push_back(axis.from);
  const bool is_permuted = !std::ranges::is_sorted(order);
  const ChannelLayout layout = is_permuted ? ChannelLayout::kLast : values_.preferred({input(op)});
  std::string x = values_.get(input(op), layout);
  if (is_permuted) {
    Ints perm{0};
    for (const int axis : order) perm.push_back(axis + 1);
    x = nodes_.add_node("Transpose", {x}, {{"perm", perm}});
  }
  const auto rank = static_cast<size_t>(to.rank());
  Slices crops, cuts;
  Ints pads(2 * (rank + 1), 0), repeats(rank + 1, 1);
  bool pads_any = false, repeats_any = false;
  for (size_t k = 0; k < rank; ++k) {
    const int64_t size = from[order[k]];
    const AxisMove move = move_of(rearrange.axes[k], size, to.dims()[k]);
    const int64_t in_file = values_.axis_of(op.output, static_cast<int>(k), layout);
    const auto axis = static_cast<size_t>(in_file);
    if (move.is_crop()) crops.add(in_file, move.crop_before, size - move.crop_after);
    if (move.surplus != 0) cuts.add(in_file, 0, to.dims()[k]);
    pads[axis] = move.pad_before;
    pads[axis + rank + 1] = move.pad_after;
    repeats[axis] = move.repeat;
    pads_any |= move.is_pad();
    repeats_any |= move.repeat != 1;
  }
  x = sliced(x, crops);
  if (pads_any) x = nodes_.add_node("Pad", {x, nodes_.integers(pads)});
  if (repeats_any) x = repeated(x, repeats, only_broadcasts(rearrange, from, to));
  values_.set(op.output, layout, sliced(x, cuts));
}

std::string OnnxOperations::sliced(const std::string& x, const Slices& slices) {
  if (slices.axes.empty()) return x;
  return nodes_.add_node("Slice", {x, nodes_.integers(slices.begins), nodes_.integers(slices.ends),
                                   nodes_.integers(slices.axes)});
}

std::string OnnxOperations::repeated(const std::string& x, const Ints& repeats,
                                     bool only_broadcasts) {
  if (only_broadcasts) return nodes_.add_node("Expand", {x, nodes_.integers(repeats)});
  const std::vector<float> scales(repeats.begin(), repeats.end());
  const auto rank = static_cast<int64_t>(repeats.size());
  return nodes_.add_node("Resize", {x, "", nodes_.floats({rank}, scales)},
                         {{"mode", std::string("nearest")},
                          {"coordinate_transformation_mode", std::string("asymmetric")},
                          {"nearest_mode", std::string("floor")}});
}

void OnnxOperations::append(const Op& op, const backend::ConcatenateOp& concatenate) {
  const ChannelLayout layout = values_.preferred(op.inputs);
  OnnxNodes::Names inputs;
  for (const ValueId value : op.inputs) inputs.push_back(values_.get(value, layout));
  const int64_t axis = values_.axis_of(op.output, concatenate.axis, layout);
  values_.set(op.output, layout, nodes_.add_node("Concat", inputs, {{"axis", axis}}));
}

void OnnxOperations::append(const Op& op, const backend::EmbeddingOp& embedding) {
  const int64_t columns = model_.shape_of(op.output).dims().back();
  const std::string table =
      nodes_.floats({embedding.rows + 2, columns}, table_with_borders(model_, embedding));
  const std::string number =
      nodes_.add_conversion("Floor", {values_.get(input(op), ChannelLayout::kLast)});
  const std::string cut = nodes_.add_conversion(
      "Clip", {number, nodes_.number(-1), nodes_.number(static_cast<float>(embedding.rows))});
  const std::string row = nodes_.add_conversion("Cast", {cut}, {{"to", int64_t{7}}});
  const std::string shifted = nodes_.add_conversion("Add", {row, nodes_.integer(1)});
  values_.set(op.output, ChannelLayout::kLast,
              nodes_.add_node("Gather", {table, shifted}, {{"axis", int64_t{0}}}));
}

}  // namespace sluice::formats
