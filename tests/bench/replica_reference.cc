#include "tests/bench/replica_reference.h"

#include <omp.h>

#include "backend/cpu/onednn.h"

namespace sluice::bench {
namespace {

using backend::Activation;
using backend::cpu::ConvolutionDescs;
using backend::cpu::Desc;
using backend::cpu::describe;
using backend::cpu::describe_backward;
using backend::cpu::Dims;
using backend::cpu::float_desc;
using backend::cpu::Tag;

constexpr auto kTraining = dnnl::prop_kind::forward_training;
constexpr auto kRelu = dnnl::algorithm::eltwise_relu;
constexpr int64_t kFilters = 32;

}  // namespace

ReferenceStep::ReferenceStep(int64_t batch, int threads) : batch_(batch), threads_(threads) {
  omp_set_num_threads(threads_);
  add_convolutions("conv1", 28, 1);
  add_convolutions("conv2", 26, kFilters);
  add_pooling();
  add_dense("dense1", 12 * 12 * kFilters, 225, true);
  add_dense("dense2", 225, 10, false);
  add_softmax();
}

void ReferenceStep::run(const Part& part) {
  omp_set_num_threads(threads_);
  part.primitive.execute(stream_, part.arguments);
  stream_.wait();
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

void ReferenceStep::add_forward(const std::string& name, const ConvolutionDescs& descs) {
  const auto pd = backend::cpu::convolution_forward(engine_, descs, Activation::kRelu);
  add(name + " forward", dnnl::convolution_forward(pd),
      {{DNNL_ARG_SRC, pd.src_desc()},
       {DNNL_ARG_WEIGHTS, pd.weights_desc()},
       {DNNL_ARG_BIAS, pd.bias_desc()},
       {DNNL_ARG_DST, pd.dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_backward_data(const std::string& name, const ConvolutionDescs& descs) {
  const auto forward = backend::cpu::convolution_forward(engine_, descs, Activation::kRelu);
  const auto pd = backend::cpu::convolution_backward_data(engine_, descs, forward);
  add(name + " backward data", dnnl::convolution_backward_data(pd),
      {{DNNL_ARG_DIFF_SRC, pd.diff_src_desc()},
       {DNNL_ARG_WEIGHTS, pd.weights_desc()},
       {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_backward_weights(const std::string& name, const ConvolutionDescs& descs) {
  const auto forward = backend::cpu::convolution_forward(engine_, descs, Activation::kRelu);
  const auto pd = backend::cpu::convolution_backward_weights(engine_, descs, forward);
  add(name + " backward weights", dnnl::convolution_backward_weights(pd),
      {{DNNL_ARG_SRC, pd.src_desc()},
       {DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc()},
       {DNNL_ARG_DIFF_BIAS, pd.diff_bias_desc()},
       {DNNL_ARG_DIFF_DST, pd.diff_dst_desc()},
       {DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc()}});
}

void ReferenceStep::add_convolutions(const std::string& name, int64_t size, int64_t channels) {
  ConvolutionDescs descs{.x = float_desc(Dims{batch_, channels, size, size}, Tag::any),
                         .weights = float_desc(Dims{kFilters, channels, 3, 3}, Tag::any),
                         .bias = float_desc(Dims{kFilters}, Tag::a),
                         .y = float_desc(Dims{batch_, kFilters, size - 2, size - 2}, Tag::any),
                         .strides = {1, 1},
                         .dilations = {0, 0},
                         .padding_begin = {0, 0},
                         .padding_end = {0, 0}};
  const auto add_all = [&](const std::string& label) {
    add_forward(label, descs);
    add_backward_weights(label, descs);
    if (channels > 1) add_backward_data(label, descs);  // the first layer needs none
  };
  const size_t direct = parts_.size();
  add_all(name);
  const size_t end = parts_.size();
  descs.algorithm = dnnl::algorithm::convolution_winograd;
  try {
    add_all(name + " (Winograd)");
  } catch (const dnnl::error&) {  // not in this version, or not for these shapes
  }
  for (size_t i = end; i < parts_.size(); ++i) {
    parts_[i].alternative_to = static_cast<int>(direct + (i - end));
  }
  add_relu_backward(name + " relu backward", parts_[direct].arguments.at(DNNL_ARG_DST).get_desc());
}

void ReferenceStep::add_pooling() {
  // The layout that the convolution in front of it asks for.
  const Desc x = [&] {
    for (const Part& part : parts_) {
      if (part.name == "conv2 forward") return part.arguments.at(DNNL_ARG_DST).get_desc();
    }
    return Desc();
  }();
  const Desc y = float_desc(Dims{batch_, kFilters, 12, 12}, Tag::any);
  const Dims two{2, 2}, none{0, 0};
  const auto kMax = dnnl::algorithm::pooling_max;
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward = describe<dnnl::pooling_forward>(engine_, attr, kTraining, kMax, x, y, two,
                                                       two, none, none, none);
  const auto backward = describe_backward<dnnl::pooling_backward>(
      engine_, attr, forward, kMax, x, forward.dst_desc(), two, two, none, none, none);
#else
  const auto forward =
      describe<dnnl::pooling_forward>(engine_, attr, kTraining, kMax, x, y, two, two, none, none);
  const auto backward = describe_backward<dnnl::pooling_backward>(
      engine_, attr, forward, kMax, x, forward.dst_desc(), two, two, none, none);
#endif
  add("max pooling forward", dnnl::pooling_forward(forward),
      {{DNNL_ARG_SRC, x},
       {DNNL_ARG_DST, forward.dst_desc()},
       {DNNL_ARG_WORKSPACE, forward.workspace_desc()}});
  add("max pooling backward", dnnl::pooling_backward(backward),
      {{DNNL_ARG_DIFF_SRC, backward.diff_src_desc()},
       {DNNL_ARG_DIFF_DST, backward.diff_dst_desc()},
       {DNNL_ARG_WORKSPACE, backward.workspace_desc()}});
}

void ReferenceStep::add_dense(const std::string& name, int64_t inputs, int64_t units, bool relu) {
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

void ReferenceStep::add_softmax() {
  const Desc desc = float_desc(Dims{batch_, 10}, Tag::ab);
  const dnnl::primitive_attr attr;
#if DNNL_VERSION_MAJOR >= 3
  const auto forward = describe<dnnl::softmax_forward>(
      engine_, attr, kTraining, dnnl::algorithm::softmax_accurate, desc, desc, 1);
#else
  const auto forward = describe<dnnl::softmax_forward>(engine_, attr, kTraining, desc, 1);
#endif
  add("softmax forward", dnnl::softmax_forward(forward),
      {{DNNL_ARG_SRC, desc}, {DNNL_ARG_DST, desc}});
}

}  // namespace sluice::bench
