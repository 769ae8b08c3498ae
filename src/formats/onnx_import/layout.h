// Moves a value's elements: as few layers as can be, since most of it is a matter of names of axes.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx_import/importer.h"
#include "sluice/layers/border2d.h"

namespace sluice::formats::onnx {

// Axis j of the tensor that is given is the file's axis whose `order` is j.
SymbolicTensor permuted(const Value& value, const Order& order, const std::string& name);
// Likewise, where it is another order than the tensor has already.
SymbolicTensor arranged(Importer& in, const Value& value, const Order& order, const OnnxNode& node);
// As the file has it.
Value in_natural_order(Importer& in, Value value, const OnnxNode& node);
// Of a row that was an image: with its elements as the file has them.
Value in_file_order(Importer& in, Value value, const OnnxNode& node);
// With that axis of the file last in the tensor.
Value with_last(Importer& in, Value x, size_t axis, const OnnxNode& node);
// Axes of size 1 in front, as ONNX takes values of fewer axes.
Value with_rank(Importer& in, Value value, size_t rank, const OnnxNode& node);

// With other axes, which hold as many elements.
Value reshaped(Importer& in, Value value, const Ints& dims, const OnnxNode& node);
// Zeros in front of and behind each of the file's axes, or so much less where they are negative.
Value bordered(Importer& in, Value value, const std::vector<Border1D>& borders,
               const OnnxNode& node);
// By these factors along the file's axes, of which one stays as it is.
Value enlarged(Importer& in, Value x, const Ints& factors, const std::string& interpolation,
               const OnnxNode& node);

}  // namespace sluice::formats::onnx
