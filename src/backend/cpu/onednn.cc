#include "backend/cpu/onednn.h"

#include <fmt/core.h>

#include <optional>

namespace sluice::backend::cpu {
namespace {

struct Eltwise {
  dnnl::algorithm algorithm;
  float alpha = 0, beta = 0;
};

// What oneDNN computes as exactly as our loops: not elu, of which it computes exp(x) - 1 as it
// stands, nor what its versions have different names for.
std::optional<Eltwise> eltwise_of(const Activation& f) {
  using dnnl::algorithm;
  switch (f.kind) {
    case Activation::kRelu:
      return Eltwise{algorithm::eltwise_relu};
    case Activation::kRectifier:
      if (f.threshold != 0) return {};
      if (f.maximum == Activation::kNoMaximum) return Eltwise{algorithm::eltwise_relu, f.alpha};
      if (f.alpha != 0 || f.maximum < 0) return {};
      return Eltwise{algorithm::eltwise_clip, 0, f.maximum};
    case Activation::kSigmoid:
      return Eltwise{algorithm::eltwise_logistic};
    case Activation::kTanh:
      return Eltwise{algorithm::eltwise_tanh};
    case Activation::kHardTanh:
      return Eltwise{algorithm::eltwise_clip, -1, 1};
    default:
      return {};
  }
}

}  // namespace

bool has_post_op(const Activation& activation) {
  return activation == Activation::kLinear || eltwise_of(activation);
}

dnnl::primitive_attr attributes(const Activation& activation, bool adds) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops fused;
  if (adds) fused.append_sum();
  if (const std::optional<Eltwise> eltwise = eltwise_of(activation)) {
#if DNNL_VERSION_MAJOR >= 3
    fused.append_eltwise(eltwise->algorithm, eltwise->alpha, eltwise->beta);
#else
    fused.append_eltwise(1.0f, eltwise->algorithm, eltwise->alpha, eltwise->beta);
#endif
  }
  attr.set_post_ops(fused);
  return attr;
}

dnnl::convolution_forward::primitive_desc convolution_forward(const dnnl::engine& engine,
                                                              const ConvolutionDescs& d,
                                                              const Activation& activation) {
  return describe<dnnl::convolution_forward>(engine, attributes(activation, d.adds), d.kind,
                                             d.algorithm, d.x, d.weights, d.bias, d.y, d.strides,
                                             d.dilations, d.padding_begin, d.padding_end);
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
                                    const Desc& bias, const Desc& y, const Activation& activation) {
  return describe<dnnl::matmul>(engine, attributes(activation), a, b, bias, y);
}

dnnl::eltwise_forward::primitive_desc elementwise(const dnnl::engine& engine, const Desc& desc,
                                                  const Activation& activation) {
  const auto attr = attributes(Activation::kLinear);
  const auto kind = dnnl::prop_kind::forward_training;
  const Eltwise eltwise = eltwise_of(activation).value();
#if DNNL_VERSION_MAJOR >= 3
  return describe<dnnl::eltwise_forward>(engine, attr, kind, eltwise.algorithm, desc, desc,
                                         eltwise.alpha, eltwise.beta);
#else
  return describe<dnnl::eltwise_forward>(engine, attr, kind, eltwise.algorithm, desc, eltwise.alpha,
                                         eltwise.beta);
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

// The values are ordered bit masks: every later instruction set contains the earlier ones.
static bool has_isa(dnnl::cpu_isa isa) {
  const int bits = static_cast<int>(isa);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

bool has_bfloat16() { return has_isa(dnnl::cpu_isa::avx512_core_bf16); }

bool has_amx() { return has_isa(dnnl::cpu_isa::avx512_core_amx); }

bool uses_avx512() { return has_isa(dnnl::cpu_isa::avx512_core); }

bool has_winograd() { return uses_avx512() && dnnl_version()->major < 3; }

std::string describe_onednn() {
  const dnnl_version_t& version = *dnnl_version();
  const char* isa = has_amx()                      ? "AVX-512, AMX"
                    : uses_avx512()                ? "AVX-512"
                    : has_isa(dnnl::cpu_isa::avx2) ? "AVX2"
                                                   : "SSE4.1";
  return fmt::format("oneDNN {}.{}.{}, {}", version.major, version.minor, version.patch, isa);
}

}  // namespace sluice::backend::cpu
