#include "tests/bench/replica_reference.h"

#include <omp.h>

#include <stdexcept>
#include <variant>

#include "backend/cpu/onednn.h"

namespace sluice::bench {
namespace {

using backend::Activation;
using backend::Op;
using backend::cpu::ConvolutionDescs;
using backend::cpu::Desc;
using backend::cpu::describe;
using backend::cpu::describe_backward;
using backend::cpu::Dims;
using backend::cpu::float_desc;
using backend::cpu::Tag;

constexpr auto kTraining = dnnl::prop_kind::forward_training;
constexpr auto kRelu = dnnl::algorithm::eltwise_relu;

}  // namespace

ReferenceStep::ReferenceStep(const backend::Graph& graph, int64_t batch, int threads)
    : graph_(graph), batch_(batch), threads_(threads) {
  omp_set_num_threads(threads_);
  for (const Op& op : graph_.ops) {
    for (const backend::ValueId value : op.inputs) ++readers_[value];
  }
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    const Op& op = graph_.ops[i];
    const size_t begin = parts_.size();
    op_ = &op;
    std::visit([&](const auto& kind) { add_op(op, kind); }, op.kind);
    // The gradients of all its readers add up.
    for (int k = 1; k < readers_[op.output]; ++k) {
      add_binary(op.name + " backward sum", dnnl::algorithm::binary_add, desc_of(op.output),
                 {{DNNL_ARG_SRC_0, {op.output, true}}, {DNNL_ARG_DST, {op.output, true}}});
    }
    for (size_t part = begin; part < parts_.size(); ++part) parts_[part].op = i;
  }
}

bool ReferenceStep::has_relu_behind(const Op& op) const {
  if (readers_.at(op.output) != 1) return false;
  for (const Op& reader : graph_.ops) {
    const auto* activation = std::get_if<backend::ActivationOp>(&reader.kind);
    if (activation != nullptr && reader.inputs.front() == op.output) {
      return activation->activation == Activation::kRelu;
    }
  }
  return false;
}

Desc ReferenceStep::desc_of(backend::ValueId value) const {
  const auto found = descs_.find(value);
  if (found != descs_.end()) return found->second;
  const Shape& shape = graph_.values[value];
  if (shape.rank() == 3) {
    return float_desc(Dims{batch_, shape[2], shape[0], shape[1]}, Tag::any);
  }
  return float_desc(Dims{batch_, shape.size()}, Tag::ab);
}

void ReferenceStep::run(const Part& part) {
  omp_set_num_threads(threads_);
  try {
    part.primitive.execute(stream_, part.arguments);
    stream_.wait();
  } catch (const dnnl::error& e) {
    throw std::runtime_error(part.name + ": " + e.what());
  }
}

ReferenceStep::Places ReferenceStep::places_of_op() const {
  Places places{{DNNL_ARG_SRC, {op_->inputs.front()}},
                {DNNL_ARG_DST, {op_->output}},
                {DNNL_ARG_DIFF_SRC, {op_->inputs.front(), true}},
                {DNNL_ARG_DIFF_DST, {op_->output, true}}};
  if (op_->inputs.size() > 1) places.emplace(DNNL_ARG_SRC_1, Place{op_->inputs[1]});
  return places;
}

void ReferenceStep::unite(backend::ValueId value, backend::ValueId with) {
  for (const bool is_gradient : {false, true}) {
    const auto found = united_.find({with, is_gradient});
    united_[{value, is_gradient}] =
        found != united_.end() ? found->second : Place{with, is_gradient};
  }
}

dnnl::memory ReferenceStep::memory_of(const Place& place, const Desc& desc) {
  const auto found = united_.find(place);
  const Place& own = found != united_.end() ? found->second : place;
  const auto existing = memories_.find(own);
  if (existing == memories_.end()) {
    return memories_.emplace(own, dnnl::memory(desc, engine_)).first->second;
  }
  // Algorithms differ in their layouts, which may take more.
  if (existing->second.get_desc().get_size() < desc.get_size()) return {desc, engine_};
  return {desc, engine_, existing->second.get_data_handle()};
}

void ReferenceStep::add(const std::string& name, const dnnl::primitive& primitive,
                        const std::unordered_map<int, Desc>& descs) {
  add(name, primitive, descs, places_of_op());
}

void ReferenceStep::add(const std::string& name, const dnnl::primitive& primitive,
                        const std::unordered_map<int, Desc>& descs, const Places& places) {
  Part part{.name = name,
            .primitive = primitive,
            .arguments = {},
            .is_backward = name.find(" backward") != std::string::npos};
  for (const auto& [role, desc] : descs) {
    if (desc.get_size() == 0) continue;
    const auto place = places.find(role);
    const dnnl::memory memory =
        place != places.end() ? memory_of(place->second, desc) : dnnl::memory(desc, engine_);
    auto* values = static_cast<float*>(memory.get_data_handle());
    // Workspaces hold indices: zeros are valid ones. Everything else: numbers of either sign.
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      const bool is_index = role == DNNL_ARG_WORKSPACE;
      values[i] = is_index ? 0.0f : static_cast<float>(i * 7919 % 13) / 13.0f - 0.4f;
    }
    part.arguments.emplace(role, memory);
  }
  parts_.push_back(std::move(part));
}

ReferenceStep::Eltwise ReferenceStep::eltwise_of(const Op& op, const Activation& activation) {
  switch (activation.kind) {
    case Activation::kRelu:
      return {kRelu};
    case Activation::kRectifier:
      return {kRelu, activation.alpha};
    case Activation::kElu:
      return {dnnl::algorithm::eltwise_elu, activation.alpha};
    case Activation::kSigmoid:
      return {dnnl::algorithm::eltwise_logistic};
    case Activation::kTanh:
      return {dnnl::algorithm::eltwise_tanh};
    case Activation::kGelu:
      return {dnnl::algorithm::eltwise_gelu_erf};
    case Activation::kSilu:
      return {dnnl::algorithm::eltwise_swish, 1};
    default:
      throw std::invalid_argument(op.name + ": an activation that has no reference here");
  }
}

void ReferenceStep::add_eltwise_forward(const std::string& name, const Eltwise& f,
                                        const Desc& desc) {
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto pd = describe<dnnl::eltwise_forward>(engine_, attr, kTraining, f.algorithm, desc, desc,
                                                  f.alpha, 0.0f);
#else
  const auto pd =
      describe<dnnl::eltwise_forward>(engine_, attr, kTraining, f.algorithm, desc, f.alpha, 0.0f);
#endif
  add(name + " forward", dnnl::eltwise_forward(pd), {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}});
}

void ReferenceStep::add_eltwise_backward(const std::string& name, const Eltwise& f,
                                         const Desc& desc, const Places& places) {
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward = describe<dnnl::eltwise_forward>(engine_, attr, kTraining, f.algorithm, desc,
                                                       desc, f.alpha, 0.0f);
  const auto backward = describe_backward<dnnl::eltwise_backward>(
      engine_, attr, forward, f.algorithm, desc, desc, desc, f.alpha, 0.0f);
#else
  const auto forward =
      describe<dnnl::eltwise_forward>(engine_, attr, kTraining, f.algorithm, desc, f.alpha, 0.0f);
  const auto backward = describe_backward<dnnl::eltwise_backward>(
      engine_, attr, forward, f.algorithm, desc, desc, f.alpha, 0.0f);
#endif
  add(name + " backward", dnnl::eltwise_backward(backward),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DIFF_DST, desc}, {DNNL_ARG_DIFF_SRC, desc}}, places);
}

// In place, behind the operation that it is part of.
void ReferenceStep::add_relu_backward(const std::string& name, const Desc& desc) {
  add_eltwise_backward(name, {kRelu}, desc,
                       {{DNNL_ARG_SRC, {op_->output}},
                        {DNNL_ARG_DIFF_DST, {op_->output, true}},
                        {DNNL_ARG_DIFF_SRC, {op_->output, true}}});
}

void ReferenceStep::add_forward(const std::string& name, const ConvolutionDescs& descs,
                                const Activation& activation) {
  const auto pd = backend::cpu::convolution_forward(engine_, descs, activation);
  add(name + " forward", dnnl::convolution_forward(pd),
      {{DNNL_ARG_SRC, pd.src_desc()},
       {DNNL_ARG_WEIGHTS, pd.weights_desc()},
       {DNNL_ARG_BIAS, pd.bias_desc()},
       {DNNL_ARG_DST, pd.dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_backward_data(const std::string& name, const ConvolutionDescs& descs) {
  const auto forward = backend::cpu::convolution_forward(engine_, descs, Activation::kLinear);
  const auto pd = backend::cpu::convolution_backward_data(engine_, descs, forward);
  add(name + " backward data", dnnl::convolution_backward_data(pd),
      {{DNNL_ARG_DIFF_SRC, pd.diff_src_desc()},
       {DNNL_ARG_WEIGHTS, pd.weights_desc()},
       {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_backward_weights(const std::string& name, const ConvolutionDescs& descs) {
  const auto forward = backend::cpu::convolution_forward(engine_, descs, Activation::kLinear);
  const auto pd = backend::cpu::convolution_backward_weights(engine_, descs, forward);
  add(name + " backward weights", dnnl::convolution_backward_weights(pd),
      {{DNNL_ARG_SRC, pd.src_desc()},
       {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()},
       {DNNL_ARG_DIFF_BIAS, pd.diff_bias_desc()},
       {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_transposed(const std::string& name, const ConvolutionDescs& d) {
  const auto algorithm = dnnl::algorithm::deconvolution_direct;
  const auto attr = backend::cpu::attributes(Activation::kLinear);
  const auto forward = describe<dnnl::deconvolution_forward>(
      engine_, attr, kTraining, algorithm, d.x, d.weights, d.bias, d.y, d.strides, d.dilations,
      d.padding_begin, d.padding_end);
  add(name + " forward", dnnl::deconvolution_forward(forward),
      {{DNNL_ARG_SRC, forward.src_desc()},
       {DNNL_ARG_WEIGHTS, forward.weights_desc()},
       {DNNL_ARG_BIAS, forward.bias_desc()},
       {DNNL_ARG_DST, forward.dst_desc()},
       {DNNL_ARG_SCRATCHPAD, forward.scratchpad_desc()}});
  const auto weights = describe_backward<dnnl::deconvolution_backward_weights>(
      engine_, attr, forward, algorithm, d.x, d.weights, d.bias, d.y, d.strides, d.dilations,
      d.padding_begin, d.padding_end);
  add(name + " backward weights", dnnl::deconvolution_backward_weights(weights),
      {{DNNL_ARG_SRC, weights.src_desc()},
       {DNNL_ARG_DIFF_WEIGHTS, weights.diff_weights_desc()},
       {DNNL_ARG_DIFF_BIAS, weights.diff_bias_desc()},
       {DNNL_ARG_DIFF_DST, weights.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, weights.scratchpad_desc()}});
  const auto data = describe_backward<dnnl::deconvolution_backward_data>(
      engine_, attr, forward, algorithm, d.x, d.weights, d.y, d.strides, d.dilations,
      d.padding_begin, d.padding_end);
  add(name + " backward data", dnnl::deconvolution_backward_data(data),
      {{DNNL_ARG_DIFF_SRC, data.diff_src_desc()},
       {DNNL_ARG_WEIGHTS, data.weights_desc()},
       {DNNL_ARG_DIFF_DST, data.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, data.scratchpad_desc()}});
}

void ReferenceStep::add_op(const Op& op, const backend::Conv2DOp& conv) {
  const Shape& x = graph_.values[op.inputs.front()];
  const Shape& y = graph_.values[op.output];
  const backend::Padding2D& padding = conv.padding;
  const int64_t groups = conv.groups;
  Dims kernel{y[2] / groups, x[2] / groups, conv.kernel_h, conv.kernel_w};
  if (groups > 1) kernel.insert(kernel.begin(), groups);
  ConvolutionDescs descs{.x = float_desc(Dims{batch_, x[2], x[0], x[1]}, Tag::any),
                         .weights = float_desc(kernel, Tag::any),
                         .bias = conv.bias ? float_desc(Dims{y[2]}, Tag::a) : Desc(),
                         .y = float_desc(Dims{batch_, y[2], y[0], y[1]}, Tag::any),
                         .strides = {conv.stride_h, conv.stride_w},
                         .dilations = {conv.dilation_h - 1, conv.dilation_w - 1},
                         .padding_begin = {padding.top, padding.left},
                         .padding_end = {padding.bottom, padding.right}};
  if (conv.transposed) {
    const size_t forward = parts_.size();
    add_transposed(op.name, descs);
    descs_[op.output] = parts_[forward].arguments.at(DNNL_ARG_DST).get_desc();
    return;
  }
  const bool relu = has_relu_behind(op);
  const bool is_first = op.inputs.front() == graph_.inputs.front();
  const auto add_all = [&](const std::string& label) {
    add_forward(label, descs, relu ? Activation::kRelu : Activation::kLinear);
    add_backward_weights(label, descs);
    if (!is_first) add_backward_data(label, descs);
  };
  const size_t direct = parts_.size();
  add_all(op.name);
  const size_t end = parts_.size();
  descs.algorithm = dnnl::algorithm::convolution_winograd;
  try {
    add_all(op.name + " (Winograd)");
  } catch (const dnnl::error&) {  // not in this version, or not for these shapes
  }
  for (size_t i = end; i < parts_.size(); ++i) {
    parts_[i].alternative_to = static_cast<int>(direct + (i - end));
  }
  const Desc found = parts_[direct].arguments.at(DNNL_ARG_DST).get_desc();
  descs_[op.output] = found;
  if (relu) add_relu_backward(op.name + " relu", found);
}

void ReferenceStep::add_op(const Op& op, const backend::Pool2DOp& pool) {
  const Desc x = desc_of(op.inputs.front());
  const Shape& shape = graph_.values[op.output];
  const Desc y = float_desc(Dims{batch_, shape[2], shape[0], shape[1]}, Tag::any);
  const Dims window{pool.pool_h, pool.pool_w}, strides{pool.stride_h, pool.stride_w};
  const Dims begin{pool.padding.top, pool.padding.left};
  const Dims end{pool.padding.bottom, pool.padding.right};
  const bool is_max = pool.kind == backend::Pool2DOp::Kind::kMax;
  const auto algorithm =
      is_max ? dnnl::algorithm::pooling_max : dnnl::algorithm::pooling_avg_exclude_padding;
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const Dims none{0, 0};
  const auto forward = describe<dnnl::pooling_forward>(engine_, attr, kTraining, algorithm, x, y,
                                                       strides, window, none, begin, end);
  const auto backward = describe_backward<dnnl::pooling_backward>(
      engine_, attr, forward, algorithm, x, forward.dst_desc(), strides, window, none, begin, end);
#else
  const auto forward = describe<dnnl::pooling_forward>(engine_, attr, kTraining, algorithm, x, y,
                                                       strides, window, begin, end);
  const auto backward = describe_backward<dnnl::pooling_backward>(
      engine_, attr, forward, algorithm, x, forward.dst_desc(), strides, window, begin, end);
#endif
  add(op.name + " pooling forward", dnnl::pooling_forward(forward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DST, forward.dst_desc()},
       {DNNL_ARG_WORKSPACE, forward.workspace_desc()}});
  add(op.name + " pooling backward", dnnl::pooling_backward(backward),
      {{DNNL_ARG_DIFF_SRC, backward.diff_src_desc()},
       {DNNL_ARG_DIFF_DST, backward.diff_dst_desc()},
       {DNNL_ARG_WORKSPACE, backward.workspace_desc()}});
  descs_[op.output] = forward.dst_desc();
}

void ReferenceStep::add_op(const Op& op, const backend::BatchNormOp& norm) {
  const Shape& shape = graph_.values[op.output];
  const bool is_image = shape.rank() == 3;
  const Desc x = is_image ? desc_of(op.inputs.front())
                          : float_desc(Dims{batch_, shape.size(), 1, 1}, Tag::nhwc);
  const int64_t channels = shape.dims().back();
  const bool relu = has_relu_behind(op);
  using Flags = dnnl::normalization_flags;
  Flags flags = Flags::use_scale | Flags::use_shift;
  if (relu) flags = flags | Flags::fuse_norm_relu;
  const auto epsilon = static_cast<float>(norm.epsilon);
  const auto forward =
      backend::cpu::batch_normalization_forward(engine_, kTraining, x, epsilon, flags);
  const auto backward = backend::cpu::batch_normalization_backward(
      engine_, dnnl::prop_kind::backward, x, epsilon, flags, forward);
  const Desc row = float_desc(Dims{channels}, Tag::a);
  add(op.name + " normalization forward", dnnl::batch_normalization_forward(forward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DST, x},
       {DNNL_ARG_SCALE, row},
       {DNNL_ARG_SHIFT, row},
       {DNNL_ARG_MEAN, row},
       {DNNL_ARG_VARIANCE, row},
       {DNNL_ARG_WORKSPACE, forward.workspace_desc()},
       {DNNL_ARG_SCRATCHPAD, forward.scratchpad_desc()}});
  add(op.name + " normalization backward", dnnl::batch_normalization_backward(backward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DIFF_DST, x},
       {DNNL_ARG_DIFF_SRC, x},
       {DNNL_ARG_SCALE, row},
       {DNNL_ARG_SHIFT, row},
       {DNNL_ARG_DIFF_SCALE, row},
       {DNNL_ARG_DIFF_SHIFT, row},
       {DNNL_ARG_MEAN, row},
       {DNNL_ARG_VARIANCE, row},
       {DNNL_ARG_WORKSPACE, backward.workspace_desc()},
       {DNNL_ARG_SCRATCHPAD, backward.scratchpad_desc()}});
  if (is_image) descs_[op.output] = x;
}

void ReferenceStep::add_binary(const std::string& name, dnnl::algorithm algorithm, const Desc& desc,
                               const Places& places) {
  const dnnl::primitive_attr attr;
  const auto pd = describe<dnnl::binary>(engine_, attr, algorithm, desc, desc, desc);
  add(name, dnnl::binary(pd),
      {{DNNL_ARG_SRC_0, desc}, {DNNL_ARG_SRC_1, desc}, {DNNL_ARG_DST, desc}}, places);
}

void ReferenceStep::add_op(const Op& op, const backend::MergeOp& merge) {
  using Kind = backend::MergeOp::Kind;
  const Desc desc = desc_of(op.inputs.front());
  if (op.inputs.size() == 2 && merge.kind == Kind::kAdd) {
    add_binary(op.name + " sum", dnnl::algorithm::binary_add, desc, places_of_op());
    // Its gradient is that of inputs which nothing else reads.
    for (const backend::ValueId x : op.inputs) {
      if (readers_.at(x) == 1) united_[{x, true}] = {op.output, true};
    }
  } else if (op.inputs.size() == 2 && merge.kind == Kind::kMultiply) {
    add_binary(op.name + " product", dnnl::algorithm::binary_mul, desc, places_of_op());
    const backend::ValueId a = op.inputs[0], b = op.inputs[1];
    for (const auto& [x, other] : {std::pair(a, b), std::pair(b, a)}) {
      add_binary(op.name + " backward", dnnl::algorithm::binary_mul, desc,
                 {{DNNL_ARG_SRC_0, {op.output, true}},
                  {DNNL_ARG_SRC_1, {other}},
                  {DNNL_ARG_DST, {x, true}}});
    }
  } else if (op.inputs.size() == 2 && merge.kind == Kind::kMaximum) {
    // oneDNN has nothing for its gradient.
    add_binary(op.name + " maximum", dnnl::algorithm::binary_max, desc, places_of_op());
  } else {
    throw std::invalid_argument(op.name + ": only sums, products and maxima of two are known here");
  }
  descs_[op.output] = desc;
}

// Forward a concatenation; backward what it put together is copied apart.
void ReferenceStep::add_op(const Op& op, const backend::ConcatenateOp& concatenate) {
  const Shape& shape = graph_.values[op.output];
  if (shape.rank() != 3 || concatenate.axis != 2) {
    throw std::invalid_argument(op.name + ": only channels are put together here");
  }
  std::vector<Desc> from;
  for (const backend::ValueId x : op.inputs) from.push_back(desc_of(x));
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::concat::primitive_desc pd(engine_, 1, from, attr);
#else
  const dnnl::concat::primitive_desc pd(1, from, engine_, attr);
#endif
  const Desc y = pd.dst_desc();
  std::unordered_map<int, Desc> arguments{{DNNL_ARG_DST, y}};
  for (size_t i = 0; i < from.size(); ++i) {
    arguments.emplace(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), from[i]);
  }
  add(op.name + " forward", dnnl::concat(pd), std::move(arguments));
  int64_t channel = 0;
  for (const Desc& x : from) {
#if DNNL_VERSION_MAJOR >= 3
    const Dims dims = x.get_dims();
#else
    const Dims dims = x.dims();
#endif
    const dnnl::reorder::primitive_desc apart(engine_, y.submemory_desc(dims, {0, channel, 0, 0}),
                                              engine_, x, attr);
    add(op.name + " backward", dnnl::reorder(apart), {{DNNL_ARG_FROM, y}, {DNNL_ARG_TO, x}});
    channel += dims[1];
  }
  descs_[op.output] = y;
}

// oneDNN resamples along both axes at once: the first of the two ops stands for both.
void ReferenceStep::add_op(const Op& op, const backend::InterpolateOp& interpolate) {
  const Desc x = desc_of(op.inputs.front());
  if (interpolate.axis != 0) {
    descs_[op.output] = Desc(x);
    return;
  }
  const Shape& shape = graph_.values[op.inputs.front()];
  const Dims size{batch_, shape[2], shape[0] * interpolate.factor, shape[1] * interpolate.factor};
  const Desc y = float_desc(size, Tag::any);
  const auto linear = dnnl::algorithm::resampling_linear;
  const dnnl::primitive_attr attr;
  const auto forward = describe<dnnl::resampling_forward>(engine_, attr, kTraining, linear, x, y);
  const auto backward = describe_backward<dnnl::resampling_backward>(engine_, attr, forward, linear,
                                                                     x, forward.dst_desc());
  add(op.name + " forward", dnnl::resampling_forward(forward),
      {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, forward.dst_desc()}});
  add(op.name + " backward", dnnl::resampling_backward(backward),
      {{DNNL_ARG_DIFF_SRC, x}, {DNNL_ARG_DIFF_DST, forward.dst_desc()}});
  descs_[op.output] = forward.dst_desc();
}

// Of each position over the last axis.
void ReferenceStep::add_op(const Op& op, const backend::NormalizeOp& norm) {
  const Shape& shape = graph_.values[op.output];
  const int64_t columns = shape.dims().back();
  if (norm.kind != backend::NormalizeOp::Kind::kStandard || norm.view.back().size != columns ||
      !norm.view.back().normalized) {
    throw std::invalid_argument(op.name + ": only normalization over the last axis is known here");
  }
  const Desc x = float_desc(Dims{batch_ * shape.size() / columns, columns}, Tag::ab);
  const auto epsilon = static_cast<float>(norm.epsilon);
  const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward =
      describe<dnnl::layer_normalization_forward>(engine_, attr, kTraining, x, x, epsilon, flags);
  const auto backward = describe_backward<dnnl::layer_normalization_backward>(
      engine_, attr, forward, dnnl::prop_kind::backward, x, x, x, epsilon, flags);
#else
  const auto forward =
      describe<dnnl::layer_normalization_forward>(engine_, attr, kTraining, x, epsilon, flags);
  const auto backward = describe_backward<dnnl::layer_normalization_backward>(
      engine_, attr, forward, dnnl::prop_kind::backward, x, x, epsilon, flags);
#endif
  const Desc row = float_desc(Dims{columns}, Tag::a);
  const Desc statistics = forward.mean_desc();
  add(op.name + " forward", dnnl::layer_normalization_forward(forward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DST, x},
       {DNNL_ARG_SCALE, row},
       {DNNL_ARG_SHIFT, row},
       {DNNL_ARG_MEAN, statistics},
       {DNNL_ARG_VARIANCE, statistics}});
  add(op.name + " backward", dnnl::layer_normalization_backward(backward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DIFF_DST, x},
       {DNNL_ARG_DIFF_SRC, x},
       {DNNL_ARG_SCALE, row},
       {DNNL_ARG_SHIFT, row},
       {DNNL_ARG_DIFF_SCALE, row},
       {DNNL_ARG_DIFF_SHIFT, row},
       {DNNL_ARG_MEAN, statistics},
       {DNNL_ARG_VARIANCE, statistics}});
}

void ReferenceStep::add_op(const Op& op, const backend::ReshapeOp&) {
  unite(op.output, op.inputs.front());
}

void ReferenceStep::add_op(const Op& op, const backend::NoiseOp&) {
  unite(op.output, op.inputs.front());
  const auto found = descs_.find(op.inputs.front());
  if (found != descs_.end()) descs_[op.output] = Desc(found->second);
}

template <typename Other>
void ReferenceStep::add_op(const Op& op, const Other&) {
  throw std::invalid_argument(op.name + ": an operation that has no reference here");
}

void ReferenceStep::add_op(const Op& op, const backend::ActivationOp& activation) {
  const backend::ValueId x = op.inputs.front();
  const Shape& shape = graph_.values[x];
  if (activation.activation == Activation::kSoftmax) {
    const int64_t classes = shape.dims().back();
    const Desc desc = float_desc(Dims{batch_ * shape.size() / classes, classes}, Tag::ab);
    return add_softmax(op.name, desc, readers_[op.output] == 0);
  }
  const Eltwise f = eltwise_of(op, activation.activation);
  const Desc desc = desc_of(x);
  if (shape.rank() == 3) descs_[op.output] = desc;
  for (const Op& writer : graph_.ops) {
    const bool fuses = !std::holds_alternative<backend::MergeOp>(writer.kind) && f.alpha == 0 &&
                       f.algorithm == kRelu;
    if (writer.output == x && fuses) return unite(op.output, x);
  }
  add_eltwise_forward(op.name, f, desc);
  add_eltwise_backward(op.name, f, desc, places_of_op());
}

void ReferenceStep::add_op(const Op& op, const backend::DenseOp&) {
  const std::string& name = op.name;
  const Shape& shape = graph_.values[op.inputs.front()];
  const int64_t inputs = shape.dims().back();
  const int64_t units = graph_.values[op.output].dims().back();
  const int64_t rows = batch_ * shape.size() / inputs;
  const bool relu = has_relu_behind(op);
  const Desc x = float_desc(Dims{rows, inputs}, Tag::any);
  const Desc w = float_desc(Dims{units, inputs}, Tag::any);
  const Desc b = float_desc(Dims{units}, Tag::a);
  const Desc y = float_desc(Dims{rows, units}, Tag::any);
  const auto plain = backend::cpu::attributes(Activation::kLinear);
  const auto fused = relu ? backend::cpu::attributes(Activation::kRelu) : plain;
  const auto forward = describe<dnnl::inner_product_forward>(engine_, fused, kTraining, x, w, b, y);
  add(name + " forward", dnnl::inner_product_forward(forward),
      {{DNNL_ARG_SRC, forward.src_desc()},
       {DNNL_ARG_WEIGHTS, forward.weights_desc()},
       {DNNL_ARG_BIAS, forward.bias_desc()},
       {DNNL_ARG_DST, forward.dst_desc()},
       {DNNL_ARG_SCRATCHPAD, forward.scratchpad_desc()}});
  const auto data =
      describe_backward<dnnl::inner_product_backward_data>(engine_, plain, forward, x, w, y);
  add(name + " backward data", dnnl::inner_product_backward_data(data),
      {{DNNL_ARG_DIFF_SRC, data.diff_src_desc()},
       {DNNL_ARG_WEIGHTS, data.weights_desc()},
       {DNNL_ARG_DIFF_DST, data.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, data.scratchpad_desc()}});
  const auto weights =
      describe_backward<dnnl::inner_product_backward_weights>(engine_, plain, forward, x, w, b, y);
  add(name + " backward weights", dnnl::inner_product_backward_weights(weights),
      {{DNNL_ARG_SRC, weights.src_desc()},
       {DNNL_ARG_DIFF_WEIGHTS, weights.diff_weights_desc()},
       {DNNL_ARG_DIFF_BIAS, weights.diff_bias_desc()},
       {DNNL_ARG_DIFF_DST, weights.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, weights.scratchpad_desc()}});
  if (relu) add_relu_backward(name + " relu", forward.dst_desc());
}

// The last one's gradient is the loss's, which is not counted.
void ReferenceStep::add_softmax(const std::string& name, const Desc& desc, bool is_last) {
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto kind = dnnl::algorithm::softmax_accurate;
  const auto forward =
      describe<dnnl::softmax_forward>(engine_, attr, kTraining, kind, desc, desc, 1);
  const auto backward =
      describe_backward<dnnl::softmax_backward>(engine_, attr, forward, kind, desc, desc, desc, 1);
#else
  const auto forward = describe<dnnl::softmax_forward>(engine_, attr, kTraining, desc, 1);
  const auto backward =
      describe_backward<dnnl::softmax_backward>(engine_, attr, forward, desc, desc, 1);
#endif
  add(name + " softmax forward", dnnl::softmax_forward(forward),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}});
  if (is_last) return;
  add(name + " softmax backward", dnnl::softmax_backward(backward),
      {{DNNL_ARG_DST, desc}, {DNNL_ARG_DIFF_DST, desc}, {DNNL_ARG_DIFF_SRC, desc}});
}

}  // namespace sluice::bench
