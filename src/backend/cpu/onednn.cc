#include "backend/cpu/onednn.h"

#include <fmt/core.h>

#include <stdexcept>

namespace sluice::backend::cpu {
namespace {

dnnl::algorithm algorithm_of(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return dnnl::algorithm::eltwise_relu;
    case Activation::kSigmoid:
      return dnnl::algorithm::eltwise_logistic;
    case Activation::kTanh:
      return dnnl::algorithm::eltwise_tanh;
    case Activation::kLinear:
    case Activation::kSoftmax:
      break;
  }
  throw std::logic_error("this activation is not elementwise");
}

}  // namespace

dnnl::primitive_attr attributes(Activation activation) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation != Activation::kLinear) {
    dnnl::post_ops fused;
#if DNNL_VERSION_MAJOR >= 3
    fused.append_eltwise(algorithm_of(activation), 0.0f, 0.0f);
#else
    fused.append_eltwise(1.0f, algorithm_of(activation), 0.0f, 0.0f);
#endif
    attr.set_post_ops(fused);
  }
  return attr;
}

dnnl::convolution_forward::primitive_desc convolution_forward(const dnnl::engine& engine,
                                                              const ConvolutionDescs& d,
                                                              Activation activation) {
  return describe<dnnl::convolution_forward>(
      engine, attributes(activation), dnnl::prop_kind::forward_training, d.algorithm, d.x,
      d.weights, d.bias, d.y, d.strides, d.dilations, d.padding_begin, d.padding_end);
}

dnnl::convolution_backward_data::primitive_desc convolution_backward_data(
    const dnnl::engine& engine, const ConvolutionDescs& d,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return describe_backward<dnnl::convolution_backward_data>(
      engine, attributes(Activation::kLinear), forward, d.algorithm, d.x, d.weights, d.y, d.strides,
      d.dilations, d.padding_begin, d.padding_end);
}

dnnl::convolution_backward_weights::primitive_desc convolution_backward_weights(
    const dnnl::engine& engine, const ConvolutionDescs& d,
    const dnnl::convolution_forward::primitive_desc& forward) {
  return describe_backward<dnnl::convolution_backward_weights>(
      engine, attributes(Activation::kLinear), forward, d.algorithm, d.x, d.weights, d.bias, d.y,
      d.strides, d.dilations, d.padding_begin, d.padding_end);
}

dnnl::matmul::primitive_desc matmul(const dnnl::engine& engine, const Desc& a, const Desc& b,
                                    const Desc& bias, const Desc& y, Activation activation) {
  return describe<dnnl::matmul>(engine, attributes(activation), a, b, bias, y);
}

dnnl::eltwise_forward::primitive_desc elementwise(const dnnl::engine& engine, const Desc& desc,
                                                  Activation activation) {
  const auto attr = attributes(Activation::kLinear);
  const auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return describe<dnnl::eltwise_forward>(engine, attr, kind, algorithm_of(activation), desc, desc,
                                         0.0f, 0.0f);
#else
  return describe<dnnl::eltwise_forward>(engine, attr, kind, algorithm_of(activation), desc, 0.0f,
                                         0.0f);
#endif
}

dnnl::batch_normalization_forward::primitive_desc batch_normalization_forward(
    const dnnl::engine& engine, dnnl::prop_kind kind, const Desc& desc, float epsilon,
    dnnl::normalization_flags flags) {
  const auto attr = attributes(Activation::kLinear);
#if DNNL_VERSION_MAJOR >= 3
  return describe<dnnl::batch_normalization_forward>(engine, attr, kind, desc, desc, epsilon,
                                                     flags);
#else
  return describe<dnnl::batch_normalization_forward>(engine, attr, kind, desc, epsilon, flags);
#endif
}

dnnl::batch_normalization_backward::primitive_desc batch_normalization_backward(
    const dnnl::engine& engine, dnnl::prop_kind kind, const Desc& desc, float epsilon,
    dnnl::normalization_flags flags,
    const dnnl::batch_normalization_forward::primitive_desc& forward) {
  const auto attr = attributes(Activation::kLinear);
#if DNNL_VERSION_MAJOR >= 3
  return describe_backward<dnnl::batch_normalization_backward>(engine, attr, forward, kind, desc,
                                                               desc, desc, epsilon, flags);
#else
  return describe_backward<dnnl::batch_normalization_backward>(engine, attr, forward, kind, desc,
                                                               desc, epsilon, flags);
#endif
}

bool has_bfloat16() {
  const int bfloat16 = static_cast<int>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & bfloat16) == bfloat16;
}

bool uses_avx512() {
  // The values are ordered bit masks: every later instruction set contains AVX-512.
  const int avx512 = static_cast<int>(dnnl::cpu_isa::avx512_core);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & avx512) == avx512;
}

std::string describe_onednn() {
  const dnnl_version_t& version = *dnnl_version();
  const std::string text =
      fmt::format("oneDNN {}.{}.{}", version.major, version.minor, version.patch);
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());
  const int avx2 = static_cast<int>(dnnl::cpu_isa::avx2);
  if (uses_avx512()) return text + ", AVX-512";
  return text + ((isa & avx2) == avx2 ? ", AVX2" : ", SSE4.1");
}

}  // namespace sluice::backend::cpu
