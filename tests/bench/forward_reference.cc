#include "tests/bench/forward_reference.h"

#include <omp.h>

#include <algorithm>
#include <stdexcept>
#include <variant>

namespace sluice::bench {
namespace {

using backend::Activation;
using backend::ActivationOp;
using backend::MergeOp;
using backend::Op;
using backend::ValueId;
using backend::cpu::ConvolutionDescs;
using backend::cpu::Desc;
using backend::cpu::describe;
using backend::cpu::Dims;
using backend::cpu::float_desc;
using backend::cpu::Tag;

constexpr auto kInference = dnnl::prop_kind::forward_inference;

bool is_relu(const Op& op) {
  const auto* activation = std::get_if<ActivationOp>(&op.kind);
  return activation != nullptr && activation->activation == Activation::kRelu;
}

bool is_sum(const Op& op) {
  const auto* merge = std::get_if<MergeOp>(&op.kind);
  return merge != nullptr && merge->kind == MergeOp::Kind::kAdd && op.inputs.size() == 2;
}

}  // namespace

ForwardReference::ForwardReference(const backend::Graph& graph, int64_t batch, int threads)
    : graph_(graph), batch_(batch), threads_(threads) {
  omp_set_num_threads(threads_);
  for (const Op& op : graph_.ops) {
    if (!taken_.contains(&op)) add_op(op);
  }
}

void ForwardReference::run(const Part& part) {
  omp_set_num_threads(threads_);
  try {
    part.primitive.execute(stream_, part.arguments);
    stream_.wait();
  } catch (const dnnl::error& e) {
    throw std::runtime_error(part.name + ": " + e.what());
  }
}

const Op* ForwardReference::only_reader(ValueId value) const {
  const Op* reader = nullptr;
  for (const Op& op : graph_.ops) {
    for (const ValueId input : op.inputs) {
      if (input != value) continue;
      if (reader != nullptr) return nullptr;
      reader = &op;
    }
  }
  return reader;
}

ForwardReference::Behind ForwardReference::take_what_is_behind(const Op& op, bool is_convolution) {
  Behind behind{.output = op.output};
  const auto take = [&](const Op& next) {
    taken_.insert(&next);
    behind.output = next.output;
  };
  const Op* next = only_reader(behind.output);
  if (is_convolution && next != nullptr &&
      std::holds_alternative<backend::BatchNormOp>(next->kind)) {
    behind.normalized = true;
    take(*next);
    next = only_reader(behind.output);
  }
  if (is_convolution && next != nullptr && is_sum(*next)) {
    const bool is_first = next->inputs.front() == behind.output;
    const auto other = descs_.find(next->inputs[is_first ? 1 : 0]);
    if (other != descs_.end()) {  // otherwise the one that is computed later adds it up
      behind.sum = other->second;
      behind.other = other->first;
      take(*next);
      next = only_reader(behind.output);
    }
  }
  if (next != nullptr && is_relu(*next)) {
    behind.relu = true;
    take(*next);
  }
  return behind;
}

dnnl::primitive_attr ForwardReference::attributes(const Behind& behind) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops fused;
  if (behind.sum.get_size() > 0) fused.append_sum();
  if (behind.relu) {
#if DNNL_VERSION_MAJOR >= 3
    fused.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
    fused.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
  }
  attr.set_post_ops(fused);
  return attr;
}

Desc ForwardReference::desc_of(ValueId value) const {
  const auto found = descs_.find(value);
  if (found != descs_.end()) return found->second;
  const Shape& shape = graph_.values[value];
  if (shape.rank() == 3) {
    return float_desc(Dims{batch_, shape[2], shape[0], shape[1]}, Tag::any);
  }
  return float_desc(Dims{batch_, shape.size()}, Tag::ab);
}

dnnl::memory ForwardReference::memory_of(std::optional<ValueId> value, const Desc& desc) {
  if (!value) return {desc, engine_};
  const auto existing = memories_.find(*value);
  if (existing == memories_.end()) {
    return memories_.emplace(*value, dnnl::memory(desc, engine_)).first->second;
  }
  // Algorithms differ in their layouts, which may take more.
  if (existing->second.get_desc().get_size() < desc.get_size()) return {desc, engine_};
  return {desc, engine_, existing->second.get_data_handle()};
}

void ForwardReference::add(const std::string& name, const dnnl::primitive& primitive,
                           const Descs& descs, ValueId from, ValueId to) {
  Part part{.name = name, .primitive = primitive, .arguments = {}};
  for (const auto& [role, desc] : descs) {
    if (desc.get_size() == 0) continue;
    const dnnl::memory memory = role == DNNL_ARG_SRC   ? memory_of(from, desc)
                                : role == DNNL_ARG_DST ? memory_of(to, desc)
                                                       : memory_of({}, desc);
    auto* values = static_cast<float*>(memory.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) {
      values[i] = static_cast<float>(i * 7919 % 13) / 13.0f - 0.4f;
    }
    part.arguments.emplace(role, memory);
  }
  parts_.push_back(std::move(part));
}

void ForwardReference::add_op(const Op& op) {
  if (const auto* conv = std::get_if<backend::Conv2DOp>(&op.kind))
    return add_convolution(op, *conv);
  if (const auto* pool = std::get_if<backend::Pool2DOp>(&op.kind)) return add_pooling(op, *pool);
  if (std::holds_alternative<backend::DenseOp>(op.kind)) return add_dense(op);
  const auto* activation = std::get_if<ActivationOp>(&op.kind);
  if (activation != nullptr && activation->activation == Activation::kSoftmax) {
    return add_softmax(op);
  }
  const bool is_nothing = std::holds_alternative<backend::ReshapeOp>(op.kind) ||
                          std::holds_alternative<backend::NoiseOp>(op.kind);
  if (is_nothing) {
    const auto found = memories_.find(op.inputs.front());
    if (found != memories_.end()) memories_[op.output] = dnnl::memory(found->second);
  } else {
    throw std::invalid_argument(op.name + ": an operation that has no reference here");
  }
}

void ForwardReference::add_convolution(const Op& op, const backend::Conv2DOp& conv) {
  if (conv.transposed || conv.groups > 1) {
    throw std::invalid_argument(op.name + ": a convolution that has no reference here");
  }
  const Behind behind = take_what_is_behind(op, true);
  if (behind.sum.get_size() > 0) memories_[behind.output] = memories_.at(behind.other);
  const Shape& x = graph_.values[op.inputs.front()];
  const Shape& y = graph_.values[op.output];
  const bool has_bias = conv.bias || behind.normalized;
  const Desc bias = has_bias ? float_desc(Dims{y[2]}, Tag::a) : Desc();
  const Desc any_y = float_desc(Dims{batch_, y[2], y[0], y[1]}, Tag::any);
  const auto add_with = [&](dnnl::algorithm algorithm, const Desc& from, const Desc& to,
                            const std::string& name) {
    const auto pd = describe<dnnl::convolution_forward>(
        engine_, attributes(behind), kInference, algorithm, from,
        float_desc(Dims{y[2], x[2], conv.kernel_h, conv.kernel_w}, Tag::any), bias, to,
        Dims{conv.stride_h, conv.stride_w}, Dims{conv.dilation_h - 1, conv.dilation_w - 1},
        Dims{conv.padding.top, conv.padding.left}, Dims{conv.padding.bottom, conv.padding.right});
    add(name, dnnl::convolution_forward(pd),
        {{DNNL_ARG_SRC, pd.src_desc()},
         {DNNL_ARG_WEIGHTS, pd.weights_desc()},
         {DNNL_ARG_BIAS, pd.bias_desc()},
         {DNNL_ARG_DST, pd.dst_desc()},
         {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}},
        op.inputs.front(), behind.output);
    return pd.dst_desc();
  };
  const int direct = static_cast<int>(parts_.size());
  descs_[behind.output] = add_with(dnnl::algorithm::convolution_direct, desc_of(op.inputs.front()),
                                   behind.sum.get_size() > 0 ? behind.sum : any_y, op.name);
  try {  // in the layouts that it asks for
    add_with(dnnl::algorithm::convolution_winograd,
             float_desc(Dims{batch_, x[2], x[0], x[1]}, Tag::any), any_y, op.name + " (Winograd)");
    parts_.back().alternative_to = direct;
  } catch (const dnnl::error&) {  // not in this version, or not for these shapes
  }
}

void ForwardReference::add_dense(const Op& op) {
  const Behind behind = take_what_is_behind(op, false);
  const int64_t inputs = graph_.values[op.inputs.front()].dims().back();
  const int64_t units = graph_.values[op.output].dims().back();
  const int64_t rows = batch_ * graph_.values[op.inputs.front()].size() / inputs;
  const auto pd = describe<dnnl::inner_product_forward>(
      engine_, attributes(behind), kInference, float_desc(Dims{rows, inputs}, Tag::any),
      float_desc(Dims{units, inputs}, Tag::any), float_desc(Dims{units}, Tag::a),
      float_desc(Dims{rows, units}, Tag::any));
  add(op.name, dnnl::inner_product_forward(pd),
      {{DNNL_ARG_SRC, pd.src_desc()},
       {DNNL_ARG_WEIGHTS, pd.weights_desc()},
       {DNNL_ARG_BIAS, pd.bias_desc()},
       {DNNL_ARG_DST, pd.dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}},
      op.inputs.front(), behind.output);
}

void ForwardReference::add_pooling(const Op& op, const backend::Pool2DOp& pool) {
  const Desc x = desc_of(op.inputs.front());
  const Shape& shape = graph_.values[op.output];
  const Desc y = float_desc(Dims{batch_, shape[2], shape[0], shape[1]}, Tag::any);
  const Dims window{pool.pool_h, pool.pool_w}, strides{pool.stride_h, pool.stride_w};
  const Dims begin{pool.padding.top, pool.padding.left};
  const Dims end{pool.padding.bottom, pool.padding.right};
  const auto algorithm = pool.kind == backend::Pool2DOp::Kind::kMax
                             ? dnnl::algorithm::pooling_max
                             : dnnl::algorithm::pooling_avg_exclude_padding;
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto pd = describe<dnnl::pooling_forward>(engine_, attr, kInference, algorithm, x, y,
                                                  strides, window, Dims{0, 0}, begin, end);
#else
  const auto pd = describe<dnnl::pooling_forward>(engine_, attr, kInference, algorithm, x, y,
                                                  strides, window, begin, end);
#endif
  add(op.name, dnnl::pooling_forward(pd), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, pd.dst_desc()}},
      op.inputs.front(), op.output);
  descs_[op.output] = pd.dst_desc();
}

void ForwardReference::add_softmax(const Op& op) {
  const Shape& shape = graph_.values[op.output];
  const int64_t classes = shape.dims().back();
  const Desc desc = float_desc(Dims{batch_ * shape.size() / classes, classes}, Tag::ab);
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto pd = describe<dnnl::softmax_forward>(engine_, attr, kInference,
                                                  dnnl::algorithm::softmax_accurate, desc, desc, 1);
#else
  const auto pd = describe<dnnl::softmax_forward>(engine_, attr, kInference, desc, 1);
#endif
  add(op.name + " softmax", dnnl::softmax_forward(pd), {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}},
      op.inputs.front(), op.output);
}

}  // namespace sluice::bench
