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
  for (const Op& op : graph_.ops) {
    std::visit([&](const auto& kind) { add_op(op, kind); }, op.kind);
    // The gradients of all its readers add up.
    for (int i = 1; i < readers_[op.output]; ++i) {
      add_sum(op.name + " gradients", desc_of(op.output));
    }
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
  return float_desc(Dims{batch_, shape.size()}, Tag::any);
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

void ReferenceStep::add(const std::string& name, const dnnl::primitive& primitive,
                        std::unordered_map<int, Desc> descs) {
  Part part{name, primitive, {}, -1};
  for (const auto& [role, desc] : descs) {
    if (desc.get_size() == 0) continue;
    dnnl::memory memory(desc, engine_);
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

void ReferenceStep::add_relu_backward(const std::string& name, const Desc& desc) {
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward =
      describe<dnnl::eltwise_forward>(engine_, attr, kTraining, kRelu, desc, desc, 0.0f, 0.0f);
  const auto backward = describe_backward<dnnl::eltwise_backward>(engine_, attr, forward, kRelu,
                                                                  desc, desc, desc, 0.0f, 0.0f);
#else
  const auto forward =
      describe<dnnl::eltwise_forward>(engine_, attr, kTraining, kRelu, desc, 0.0f, 0.0f);
  const auto backward = describe_backward<dnnl::eltwise_backward>(engine_, attr, forward, kRelu,
                                                                  desc, desc, 0.0f, 0.0f);
#endif
  add(name, dnnl::eltwise_backward(backward),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DIFF_DST, desc}, {DNNL_ARG_DIFF_SRC, desc}});
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

void ReferenceStep::add_op(const Op& op, const backend::Conv2DOp& conv) {
  const Shape& x = graph_.values[op.inputs.front()];
  const Shape& y = graph_.values[op.output];
  const backend::Padding2D& padding = conv.padding;
  ConvolutionDescs descs{
      .x = float_desc(Dims{batch_, x[2], x[0], x[1]}, Tag::any),
      .weights = float_desc(Dims{y[2], x[2], conv.kernel_h, conv.kernel_w}, Tag::any),
      .bias = conv.bias ? float_desc(Dims{y[2]}, Tag::a) : Desc(),
      .y = float_desc(Dims{batch_, y[2], y[0], y[1]}, Tag::any),
      .strides = {conv.stride_h, conv.stride_w},
      .dilations = {0, 0},
      .padding_begin = {padding.top, padding.left},
      .padding_end = {padding.bottom, padding.right}};
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
  if (relu) add_relu_backward(op.name + " relu backward", found);
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

void ReferenceStep::add_sum(const std::string& name, const Desc& desc) {
  const dnnl::primitive_attr attr;
  const auto pd =
      describe<dnnl::binary>(engine_, attr, dnnl::algorithm::binary_add, desc, desc, desc);
  add(name + " sum", dnnl::binary(pd),
      {{DNNL_ARG_SRC_0, desc}, {DNNL_ARG_SRC_1, desc}, {DNNL_ARG_DST, desc}});
}

void ReferenceStep::add_op(const Op& op, const backend::MergeOp& merge) {
  if (merge.kind != backend::MergeOp::Kind::kAdd || op.inputs.size() != 2) {
    throw std::invalid_argument(op.name + ": only sums of two are known here");
  }
  const Desc desc = desc_of(op.inputs.front());
  add_sum(op.name, desc);
  descs_[op.output] = desc;
}

void ReferenceStep::add_op(const Op& op, const backend::NoiseOp&) {
  const auto found = descs_.find(op.inputs.front());
  if (found != descs_.end()) descs_[op.output] = Desc(found->second);
}

template <typename Other>
void ReferenceStep::add_op(const Op& op, const Other&) {
  throw std::invalid_argument(op.name + ": an operation that has no reference here");
}

void ReferenceStep::add_op(const Op& op, const backend::ActivationOp& activation) {
  const backend::ValueId x = op.inputs.front();
  if (activation.activation == Activation::kSoftmax) {
    return add_softmax(op.name, graph_.values[x].size());
  }
  if (activation.activation != Activation::kRelu) {
    throw std::invalid_argument(op.name + ": an activation that has no reference here");
  }
  const Desc desc = desc_of(x);
  if (graph_.values[x].rank() == 3) descs_[op.output] = desc;
  for (const Op& writer : graph_.ops) {
    if (writer.output == x && !std::holds_alternative<backend::MergeOp>(writer.kind)) return;
  }
  const auto pd = backend::cpu::elementwise(engine_, desc, Activation::kRelu);
  add(op.name + " relu forward", dnnl::eltwise_forward(pd),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}});
  add_relu_backward(op.name + " relu backward", desc);
}

void ReferenceStep::add_op(const Op& op, const backend::DenseOp&) {
  const std::string& name = op.name;
  const int64_t inputs = graph_.values[op.inputs.front()].size();
  const int64_t units = graph_.values[op.output].size();
  const bool relu = has_relu_behind(op);
  const Desc x = float_desc(Dims{batch_, inputs}, Tag::any);
  const Desc w = float_desc(Dims{units, inputs}, Tag::any);
  const Desc b = float_desc(Dims{units}, Tag::a);
  const Desc y = float_desc(Dims{batch_, units}, Tag::any);
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
  if (relu) add_relu_backward(name + " relu backward", forward.dst_desc());
}

void ReferenceStep::add_softmax(const std::string& name, int64_t classes) {
  const Desc desc = float_desc(Dims{batch_, classes}, Tag::ab);
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward = describe<dnnl::softmax_forward>(
      engine_, attr, kTraining, dnnl::algorithm::softmax_accurate, desc, desc, 1);
#else
  const auto forward = describe<dnnl::softmax_forward>(engine_, attr, kTraining, desc, 1);
#endif
  add(name + " softmax forward", dnnl::softmax_forward(forward),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}});
}

}  // namespace sluice::bench
