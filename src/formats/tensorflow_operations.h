// Appends the operations of a model to a graph of TensorFlow, channels last as ours.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "formats/lowered_model.h"
#include "formats/protobuf/tensorflow_nodes.h"

namespace sluice::formats {

class TensorflowOperations {
 public:
  TensorflowOperations(const LoweredModel& model, TensorflowNodes& nodes)
      : model_(model), nodes_(nodes), values_(model.graph.values.size()) {}

  void set(backend::ValueId value, std::string name) { values_[value] = std::move(name); }
  const std::string& get(backend::ValueId value) const { return values_[value]; }

  void append(const backend::Op& op);

 private:
  using Op = backend::Op;
  using Ints = TensorflowNodes::Ints;
  struct Window {
    int64_t h, w, stride_h, stride_w;
    backend::Padding2D padding;
  };

  // What each kind comes to.
  std::string value_of(const Op& op, const backend::Conv2DOp& conv);
  std::string value_of(const Op& op, const backend::DenseOp& dense);
  std::string value_of(const Op& op, const backend::Pool2DOp& pool);
  std::string value_of(const Op& op, const backend::BatchNormOp& norm);
  std::string value_of(const Op& op, const backend::NormalizeOp& norm);
  std::string value_of(const Op& op, const backend::ActivationOp& activation);
  std::string value_of(const Op& op, const backend::MergeOp& merge);
  std::string value_of(const Op& op, const backend::RearrangeOp& rearrange);
  std::string value_of(const Op& op, const backend::ConcatenateOp& concatenate);
  std::string value_of(const Op& op, const backend::InterpolateOp& interpolate);
  std::string value_of(const Op& op, const backend::AffineOp& affine);
  std::string value_of(const Op& op, const backend::StandardizeOp& standardize);
  std::string value_of(const Op& op, const backend::EmbeddingOp& embedding);
  std::string value_of(const Op& op, const backend::NoiseOp&) { return x(op); }
  std::string value_of(const Op& op, const backend::ReshapeOp&);
  std::string value_of(const Op& op, const backend::HostOp&) { return x(op); }  // refused before

  std::string transposed_convolution(const Op& op, const backend::Conv2DOp& conv);
  std::string depthwise_convolution(const Op& op, const backend::Conv2DOp& conv);
  std::string grouped_convolution(const Op& op, const backend::Conv2DOp& conv);
  std::string normalized(const std::string& x, const backend::NormalizeOp& norm);
  std::string over_axes(const char* op, const std::string& x, const Ints& axes);
  // An element's or more, each `repeat` times, along axis 1 of [-1, n, inner].
  std::string repeated(const std::string& x, int64_t n, int64_t inner, int64_t repeat);
  std::string padded(const std::string& x, const backend::Padding2D& padding);
  std::string sliced(const std::string& x, const Ints& begins, const Ints& sizes);
  std::string transposed_value(const std::string& x, const std::vector<int>& order);
  // "VALID", "SAME" or "EXPLICIT", as TensorFlow places windows.
  static std::string padding_name(const Window& window, const Shape& image);
  // A constant with an element for each along the last axes of a value.
  std::string along_last(std::span<const float> values, const Shape& shape);

  const std::string& x(const Op& op) const { return values_[op.inputs.front()]; }
  const Shape& input_shape(const Op& op) const { return model_.shape_of(op.inputs.front()); }
  const Shape& output_shape(const Op& op) const { return model_.shape_of(op.output); }
  std::string constant(const Ints& dims, const backend::ParameterSlice& slice);
  static Ints batched(const Shape& shape);

  const LoweredModel& model_;
  TensorflowNodes& nodes_;
  std::vector<std::string> values_;
  std::map<std::tuple<size_t, size_t, Ints>, std::string> constants_;  // of layers called twice
};

}  // namespace sluice::formats
