// Appends the operations of a model to a graph of ONNX.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "formats/lowered_model.h"
#include "formats/onnx_values.h"
#include "formats/protobuf/onnx_nodes.h"

namespace sluice::formats {

class OnnxOperations {
 public:
  OnnxOperations(const LoweredModel& model, OnnxNodes& nodes, OnnxValues& values)
      : model_(model), nodes_(nodes), values_(values) {}

  // Appends operation number `index` of the graph, with others behind it where they are one of
  // ONNX's, and returns how many those are.
  size_t append(size_t index);

 private:
  using Op = backend::Op;
  using Ints = OnnxNodes::Ints;
  using ValueId = backend::ValueId;

  void append(const Op& op, const backend::Conv2DOp& conv);
  void append(const Op& op, const backend::DenseOp& dense);
  void append(const Op& op, const backend::Pool2DOp& pool);
  void append(const Op& op, const backend::BatchNormOp& norm);
  void append(const Op& op, const backend::NormalizeOp& norm);
  void append(const Op& op, const backend::ActivationOp& activation);
  void append(const Op& op, const backend::MergeOp& merge);
  void append(const Op& op, const backend::RearrangeOp& rearrange);
  void append(const Op& op, const backend::ConcatenateOp& concatenate);
  void append(const Op& op, const backend::InterpolateOp& interpolate);
  void append(const Op& op, const backend::AffineOp& affine);
  void append(const Op& op, const backend::StandardizeOp& standardize);
  void append(const Op& op, const backend::EmbeddingOp& embedding);
  void append(const Op& op, const backend::NoiseOp&) { values_.set_alias(op.output, input(op)); }
  void append(const Op& op, const backend::ReshapeOp&) {
    values_.set_reshaped(op.output, input(op));
  }
  void append(const Op&, const backend::HostOp&) {}  // LoweredModel has refused it

  struct Slices {
    Ints axes{}, begins{}, ends{};
    void add(int64_t axis, int64_t begin, int64_t end) {
      axes.push_back(axis);
      begins.push_back(begin);
      ends.push_back(end);
    }
  };
  std::string sliced(const std::string& x, const Slices& slices);

  bool append_prelu(size_t index);
  bool append_resize(size_t index);
  bool append_layer_normalization(const Op& op, const backend::NormalizeOp& norm);
  bool append_group_normalization(const Op& op, const backend::NormalizeOp& norm);
  std::string normalized(const std::string& x, const backend::NormalizeOp& norm);
  std::string rectified(const std::string& x, const backend::Activation& f);
  std::string activated(const std::string& x, const backend::Activation& f);
  std::string repeated(const std::string& x, const Ints& repeats, bool only_broadcasts);

  // An operand of a merge: what is repeated along axes of size 1 may stay as it was.
  ValueId unrepeated(ValueId value) const;
  // A constant with an element for each along the last axes of a value, as it is to be broadcast.
  std::string along_last(std::span<const float> values, const Shape& shape, ChannelLayout layout);
  // The layout for such a constant.
  ChannelLayout layout_for(ValueId value, size_t constants) const;

  ValueId input(const Op& op) const { return op.inputs.front(); }
  const Shape& input_shape(const Op& op) const { return model_.shape_of(input(op)); }
  std::string constant(const Ints& dims, const backend::ParameterSlice& slice);
  std::string constant(const Ints& dims, const std::vector<int>& order,
                       const backend::ParameterSlice& slice);
  // Its weights, or as many ones or zeros.
  std::string constant_or(const std::optional<backend::ParameterSlice>& slice, const Ints& dims,
                          float otherwise);

  const LoweredModel& model_;
  OnnxNodes& nodes_;
  OnnxValues& values_;
  // Of layers that are called twice.
  std::map<std::tuple<size_t, size_t, Ints, std::vector<int>>, std::string> constants_;
};

}  // namespace sluice::formats
