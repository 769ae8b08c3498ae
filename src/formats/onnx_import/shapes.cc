// What only moves elements, or puts values beside one another.
#include <algorithm>
#include <numeric>
#include <set>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

constexpr const char* kOtherBatch = "the batch does not stay the first axis, alone";

int64_t product(const Ints& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

// The axes that a Reshape asks for, without the batch.
Ints target_of(const Importer& in, const OnnxNode& node, const Ints& dims) {
  Ints target = in.whole(node, 1, "the shape");
  if (target.size() < 2) fail(node, kOtherBatch);
  const bool keeps_zeros = node.integer("allowzero", 0) != 0;
  const int64_t size = product(dims), batch = target.front();
  target.erase(target.begin());
  int64_t known = 1;
  std::optional<size_t> open;
  for (size_t k = 0; k < target.size(); ++k) {
    if (target[k] == 0 && !keeps_zeros && k < dims.size()) target[k] = dims[k];
    if (target[k] == -1 && !open) {
      open = k;
      continue;
    }
    if (target[k] < 1 || known > size / target[k]) fail(node, "the shape holds another number");
    known *= target[k];
  }
  if (open) {
    if (batch == -1 || size % known != 0) fail(node, kOtherBatch);
    target[*open] = size / known;
  } else if (known != size) {
    fail(node, kOtherBatch);
  }
  if (batch != 0 && batch != -1 && batch != Importer::kBatch && batch != in.batch()) {
    fail(node, kOtherBatch);
  }
  return target;
}

}  // namespace

Value reshape(Importer& in, const OnnxNode& node) {
  const Value x = in.raw_operand(node, 0);
  const Ints target = target_of(in, node, x.dims);
  if (auto normalized = group_normalization(in, node, x)) return *std::move(normalized);
  return reshaped(in, x, target, node);
}

Value flatten(Importer& in, const OnnxNode& node) {
  if (node.integer("axis", 1) != 1) fail(node, kOtherBatch);
  const Value& x = in.raw_operand(node, 0);
  return reshaped(in, x, {product(x.dims)}, node);
}

Value squeeze(Importer& in, const OnnxNode& node) {
  const Value& x = in.raw_operand(node, 0);
  const std::optional<Ints> axes = in.ints_of(node, "axes", 1);
  const bool inserts = node.op_type == "Unsqueeze";
  Ints dims = x.dims;
  if (!axes) {
    if (inserts) fail(node, "there are no axes");
    std::erase(dims, 1);
    return reshaped(in, x, dims, node);
  }
  constexpr size_t kMostAxes = 8;
  if (axes->size() > kMostAxes) fail(node, "there are too many axes");
  std::set<int64_t> places;
  for (const int64_t axis : *axes) {
    const size_t rank = dims.size() + (inserts ? axes->size() : 0);
    places.insert(static_cast<int64_t>(axis_of(node, axis, rank)));
  }
  if (places.size() != axes->size()) fail(node, "an axis is named twice");
  if (inserts) {
    for (const int64_t place : places) dims.insert(dims.begin() + place, 1);
  } else {
    for (auto place = places.rbegin(); place != places.rend(); ++place) {
      if (dims[static_cast<size_t>(*place)] != 1) fail(node, "an axis is not of size 1");
      dims.erase(dims.begin() + *place);
    }
  }
  return reshaped(in, x, dims, node);
}

Value transpose(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size());
  const Ints perm = node.ints("perm", {});
  std::set<int64_t> axes(perm.begin(), perm.end());
  if (static_cast<int64_t>(perm.size()) != rank + 1 ||
      static_cast<int64_t>(axes.size()) != rank + 1 || *axes.begin() != 0 ||
      *axes.rbegin() != rank || perm.front() != 0) {
    fail(node, "the batch does not stay the first axis");
  }
  Value y = x;
  for (size_t k = 0; k < x.dims.size(); ++k) {
    const auto from = static_cast<size_t>(perm[k + 1] - 1);
    y.dims[k] = x.dims[from];
    y.order[k] = x.order[from];
  }
  return y;
}

Value concat(Importer& in, const OnnxNode& node) {
  std::vector<Value> values;
  for (size_t k = 0; k < node.inputs.size(); ++k) values.push_back(in.operand(node, k));
  if (values.empty()) fail(node, "it has no inputs");
  Value y = values.front();
  y.pooled.reset();
  const size_t rank = y.dims.size(), axis = axis_of(node, node.integer("axis", 1), rank);
  y.dims[axis] = 0;
  std::vector<SymbolicTensor> tensors;
  for (const Value& value : values) {
    if (value.dims.size() != rank) fail(node, "its inputs have not as many axes");
    tensors.push_back(arranged(in, value, y.order, node));
    y.dims[axis] += value.dims[axis];
    y.is_positive &= value.is_positive;
  }
  if (tensors.size() > 1) {
    const int ours = y.order[axis] + 1;
    y.tensor = Concatenate(
        {.axis = ours == static_cast<int>(rank) ? -1 : ours, .name = in.layer_name(node)})(tensors);
  }
  return y;
}

Value expand(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const Ints target = in.whole(node, 1, "the shape");
  if (target.size() != x.dims.size() + 1) fail(node, "Sluice keeps the number of axes");
  if (target[0] != 1 && target[0] != Importer::kBatch && target[0] != in.batch()) {
    fail(node, "the batch would be another");
  }
  Ints repeats(x.dims.size(), 1);
  bool any = false;
  for (size_t k = 0; k < x.dims.size(); ++k) {
    const int64_t wanted = target[k + 1];
    if (wanted == x.dims[k] || wanted == 1) continue;
    constexpr int64_t kMost = int64_t{1} << 31;
    if (x.dims[k] != 1 || wanted < 1 || wanted > kMost) fail(node, "the shape does not fit");
    repeats[k] = wanted;
    any = true;
  }
  return any ? enlarged(in, x, repeats, "nearest", node) : x;
}

}  // namespace sluice::formats::onnx
