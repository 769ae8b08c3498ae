// oneDNN 2.x and 3.x behind one face: everything whose C++ interface differs between the two.
//
// Logical dimensions follow oneDNN: images [N, C, H, W], convolution kernels [filters, C, h, w], or
// [groups, filters / groups, C / groups, h, w].
// Every function throws dnnl::error when oneDNN has no implementation.
#pragma once

#include <dnnl.hpp>
#include <string>

#include "backend/graph.h"
#include "backend/type.h"

namespace sluice::backend::cpu {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

inline dnnl::memory::data_type onednn_type(Type type) {
  return type == Type::kFloat32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}
inline Desc tensor_desc(Type type, const Dims& dims, Tag tag) {
  return Desc(dims, onednn_type(type), tag);
}
inline Desc float_desc(const Dims& dims, Tag tag) { return tensor_desc(Type::kFloat32, dims, tag); }

// One convolution; a default-constructed `bias` means none.
struct ConvolutionDescs {
  Desc x, weights, bias, y;
  Dims strides, dilations, padding_begin, padding_end;  // dilations count from 0
  dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct;
  dnnl::prop_kind kind = dnnl::prop_kind::forward_training;  // of the forward direction
  bool adds = false;                                         // y to what is there already
};

// A primitive descriptor from its engine, attributes and the arguments that both versions share:
// 2.x takes them in a descriptor of the operation, 3.x directly.
template <typename PrimitiveType, typename... Arguments>
typename PrimitiveType::primitive_desc describe(const dnnl::engine& engine,
                                                const dnnl::primitive_attr& attr,
                                                const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, arguments..., attr};
#else
  return {typename PrimitiveType::desc(arguments...), attr, engine};
#endif
}

// The same for a backward primitive, which takes its forward one as a hint.
template <typename PrimitiveType, typename Forward, typename... Arguments>
typename PrimitiveType::primitive_desc describe_backward(const dnnl::engine& engine,
                                                         const dnnl::primitive_attr& attr,
                                                         const Forward& forward,
                                                         const Arguments&... arguments) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine, arguments..., forward, attr};
#else
  return {typename PrimitiveType::desc(arguments...), attr, engine, forward};
#endif
}

// Whether products can be told to compute the activation as well. Of others a loop behind the
// product is as exact on every version (activation_loops.h).
bool has_post_op(const Activation& activation);

// Attributes of every primitive here: scratch memory is the caller's. `activation` is fused where
// it has_post_op(), and left to the caller where not.
// `adds`: what is computed is added to what is there already, in front of the activation.
dnnl::primitive_attr attributes(const Activation& activation, bool adds = false);

dnnl::convolution_forward::primitive_desc convolution_forward(const dnnl::engine& engine,
                                                              const ConvolutionDescs& descs,
                                                              const Activation& activation);
dnnl::convolution_backward_data::primitive_desc convolution_backward_data(
    const dnnl::engine& engine, const ConvolutionDescs& descs,
    const dnnl::convolution_forward::primitive_desc& forward);
dnnl::convolution_backward_weights::primitive_desc convolution_backward_weights(
    const dnnl::engine& engine, const ConvolutionDescs& descs,
    const dnnl::convolution_forward::primitive_desc& forward);

// y = activation(a b + bias); a default-constructed `bias` means none.
dnnl::matmul::primitive_desc matmul(const dnnl::engine& engine, const Desc& a, const Desc& b,
                                    const Desc& bias, const Desc& y, const Activation& activation);

// y = activation(x), elementwise, where it has_post_op() and is not linear.
dnnl::eltwise_forward::primitive_desc elementwise(const dnnl::engine& engine, const Desc& desc,
                                                  const Activation& activation);

// Batch normalization of images `desc`; the flags say what it takes besides.
dnnl::batch_normalization_forward::primitive_desc batch_normalization_forward(
    const dnnl::engine& engine, dnnl::prop_kind kind, const Desc& desc, float epsilon,
    dnnl::normalization_flags flags);
dnnl::batch_normalization_backward::primitive_desc batch_normalization_backward(
    const dnnl::engine& engine, dnnl::prop_kind kind, const Desc& desc, float epsilon,
    dnnl::normalization_flags flags,
    const dnnl::batch_normalization_forward::primitive_desc& forward);

// "oneDNN 2.6.3, AVX-512".
std::string describe_onednn();
// Whether the processor multiplies bfloat16 numbers: AVX512_BF16 or AMX.
bool has_bfloat16();
// Whether it multiplies tiles of them (AMX), some eight times as fast as vectors.
bool has_amx();
// Whether oneDNN uses 512-bit vectors here, and so prefers images in blocks of 16 channels.
bool uses_avx512();
// Whether oneDNN has Winograd's algorithm for training here: its versions 2 with AVX-512.
bool has_winograd();

}  // namespace sluice::backend::cpu
