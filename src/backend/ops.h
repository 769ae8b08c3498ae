// What is to be known of each kind of operation besides its kernels: a row for each in ops.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "backend/graph.h"

namespace sluice::backend {

// In which layouts (backend/plan.h) an op's kernels take and give images.
enum class ImageLayouts {
  kPlain,        // channels last only
  kSame,         // one layout for all that it takes and gives
  kEach,         // any, and each its own: they convert on the way
  kBlocks,       // as kSame, and faster in blocks
  kConvolution,  // as kBlocks; or an image of few channels as it is, to blocks
};

// A parameter of an op; in the order in which a kernel asks for their gradients.
struct OpParameter {
  ParameterSlice slice;
  int64_t filters = 0;  // a convolution's kernel [..., filters]; 0: any other parameter
};

struct OpTraits {
  bool is_identity = false;       // the output is the input, at most under another shape
  bool takes_activation = false;  // kernels compute an elementwise activation behind it as well
  bool takes_relu = false;        // of these, ReLU only
  bool in_bfloat16 = false;       // Precision::kMixedBfloat16 computes it in bfloat16
  bool in_any_type = false;       // computed in the type of its inputs, where they have one
  bool passes_gradient = false;   // the gradient of each input is the output's, as it is; where an
                                  // activation is taken too, it is differentiated in its place
  // Kernels only read the output's gradient, unless they differentiate an elementwise activation
  // (takes_activation) in its place.
  bool keeps_gradient = false;
  ImageLayouts layouts = ImageLayouts::kPlain;
  std::vector<OpParameter> parameters{};
};

OpTraits traits_of(const Graph& graph, const Op& op);

// The parameters that are state or frozen, each once, in the order of the buffer.
std::vector<ParameterSlice> untrained_of(const Graph& graph);

// Throws ShapeError when the op does not fit the values that it takes and gives, and
// std::invalid_argument for other mistakes, naming it.
void check_op(const Graph& graph, const Op& op);

// Whether the op is softmax over the last axis.
bool is_softmax(const Graph& graph, const Op& op);
// Softmax over an axis works on rows: element k of row (o, i) lies at (o columns + k) inner + i.
struct SoftmaxRows {
  int64_t outer, columns, inner;
};
SoftmaxRows softmax_rows(const ActivationOp& op, const Shape& shape);
// The op's activation, where a kernel can compute it over its own output (traits:
// takes_activation), since the way back needs no more than y.
std::optional<Activation> fusible_activation(const Op& op);

}  // namespace sluice::backend
