// ONNX' operators as layers: each function gives the value of its node's first output, and throws
// std::invalid_argument, which names the node, where Sluice has no layer that computes the same.
// What each computes: https://onnx.ai/onnx/operators/, of the opset that the file names.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "formats/onnx_import/importer.h"
#include "sluice/activations.h"

namespace sluice::formats::onnx {

using Operator = Value (*)(Importer& in, const OnnxNode& node);

// nullptr: Sluice has no layer for it.
Operator find_operator(const std::string& op_type);

// What a node of constants comes to; nullopt: it is none. (constants.cc, folded_sizes.cc)
std::optional<OnnxTensor> folded(const Importer& in, const OnnxNode& node);
// Of whole numbers, in one row or two axes, as sizes and borders are computed.
std::optional<OnnxTensor> folded_sizes(const Importer& in, const OnnxNode& node,
                                       const OnnxTensor& x);

// --- Windows on images (convolutions.cc, pools.cc) ---
Value conv(Importer& in, const OnnxNode& node);
Value conv_transpose(Importer& in, const OnnxNode& node);
Value pool(Importer& in, const OnnxNode& node);
Value global_pool(Importer& in, const OnnxNode& node);
Value reduce_mean(Importer& in, const OnnxNode& node);
Value resize(Importer& in, const OnnxNode& node);

// --- Products with weights, tables (dense.cc, embeddings.cc) ---
Value gemm(Importer& in, const OnnxNode& node);
Value matmul(Importer& in, const OnnxNode& node);
Value gather(Importer& in, const OnnxNode& node);
Value cut(Importer& in, const OnnxNode& node);

// --- Normalization (normalizations.cc, written_out.cc) ---
Value batch_normalization(Importer& in, const OnnxNode& node);
Value instance_normalization(Importer& in, const OnnxNode& node);
Value layer_normalization(Importer& in, const OnnxNode& node);
// Of a Reshape that begins a normalization by groups.
std::optional<Value> group_normalization(Importer& in, const OnnxNode& node, const Value& x);
// Of a Div that ends a normalization written out.
Value normalized(Importer& in, const OnnxNode& node);

// --- Element by element (activations.cc, arithmetic.cc) ---
Value activation(Importer& in, const OnnxNode& node);
Value softmax(Importer& in, const OnnxNode& node);
Value prelu(Importer& in, const OnnxNode& node);
Value erf(Importer& in, const OnnxNode& node);
Value sqrt(Importer& in, const OnnxNode& node);
Value clip(Importer& in, const OnnxNode& node);
Value binary(Importer& in, const OnnxNode& node);
Value merge(Importer& in, const OnnxNode& node);
Value negative(Importer& in, const OnnxNode& node);
Value identity(Importer& in, const OnnxNode& node);

// The function of an operator that is one by itself.
std::optional<ActivationFunction> elementwise(const OnnxNode& node);
// That of the node behind `output`, where its name makes it a part of this layer ("conv2d/Relu" of
// "conv2d") and nothing else reads what is between: it is then done, and `output` its output.
ActivationFunction absorbed_activation(Importer& in, const OnnxNode& node, size_t rank,
                                       std::string* output);
// max(least, min(x, most)), of which either may be infinite.
Value clipped(Importer& in, const Value& x, const OnnxNode& node, float least, float most);

// --- Shapes (shapes.cc, borders.cc) ---
Value reshape(Importer& in, const OnnxNode& node);
Value flatten(Importer& in, const OnnxNode& node);
Value squeeze(Importer& in, const OnnxNode& node);
Value transpose(Importer& in, const OnnxNode& node);
Value concat(Importer& in, const OnnxNode& node);
Value expand(Importer& in, const OnnxNode& node);
Value slice(Importer& in, const OnnxNode& node);
Value split(Importer& in, const OnnxNode& node);
Value pad(Importer& in, const OnnxNode& node);

}  // namespace sluice::formats::onnx
