#include <algorithm>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

// A Reshape to [batch, groups, the rest], InstanceNormalization without weights, and a Reshape
// back.
struct GroupNodes {
  const OnnxNode* norm;
  const OnnxNode* back;
  int64_t groups;
};

bool has_only(const Importer& in, const OnnxNode& node, size_t input, float value) {
  const OnnxTensor* c = in.constant(node, input);
  return c != nullptr && !c->is_whole() &&
         std::ranges::all_of(c->floats(), [value](float each) { return each == value; });
}

// Whether the Reshape `back` gives what went into `node`.
bool leads_back(const Importer& in, const OnnxNode& back, const OnnxNode& node, const Ints& dims) {
  const OnnxTensor* shape = in.constant(back, 1);
  if (shape == nullptr || !shape->is_whole() || shape->size() != dims.size() + 1) {
    // The shape may be computed of the input's between the two: then it comes later in the file.
    const OnnxNode* made = back.inputs.size() < 2 ? nullptr : in.producer(back.input(1));
    return made != nullptr && made->op_type == "Shape" && made->inputs.size() == 1 &&
           made->input(0) == node.input(0) && made->attributes.empty();
  }
  for (size_t k = 0; k < dims.size(); ++k) {
    const int64_t size = shape->ints()[k + 1];
    if (size != dims[k] && size != 0 && size != -1) return false;
  }
  return true;
}

std::optional<GroupNodes> find_groups(const Importer& in, const OnnxNode& node, const Value& x) {
  const OnnxNode* norm = in.only_reader(node);
  const OnnxNode* back = norm == nullptr ? nullptr : in.only_reader(*norm);
  if (norm == nullptr || norm->op_type != "InstanceNormalization" || back == nullptr ||
      back->op_type != "Reshape" || x.dims.empty() || x.image) {
    return std::nullopt;
  }
  const Ints rows = in.whole(node, 1, "the shape");
  if (rows.size() != 3 || rows[1] < 1 || x.dims[0] % rows[1] != 0 || !has_only(in, *norm, 1, 1) ||
      !has_only(in, *norm, 2, 0) || !leads_back(in, *back, node, x.dims)) {
    return std::nullopt;
  }
  return GroupNodes{norm, back, rows[1]};
}

// The constant [channels, 1, 1] of a Mul or Add; nullptr: it has another.
const OnnxTensor* channel_weights(const Importer& in, const OnnxNode* node, const char* op,
                                  const Ints& dims) {
  if (node == nullptr || node->op_type != op || node->inputs.size() != 2) return nullptr;
  Ints wanted(dims.size(), 1);
  wanted[0] = dims[0];
  for (size_t k = 0; k < 2; ++k) {
    const OnnxTensor* c = in.constant(*node, k);
    if (c == nullptr || c->is_whole()) continue;
    Ints sizes = c->dims;
    while (sizes.size() > wanted.size() && sizes.front() == 1) sizes.erase(sizes.begin());
    if (sizes == wanted) return c;
  }
  return nullptr;
}

}  // namespace

// As PyTorch writes it, and we: groups of channels as rows, each an instance, then the weights.
std::optional<Value> group_normalization(Importer& in, const OnnxNode& node, const Value& x) {
  const std::optional<GroupNodes> found = find_groups(in, node, x);
  if (!found) return std::nullopt;
  const std::string name = in.layer_name(*found->norm);
  in.absorb(*found->norm);
  in.absorb(*found->back);
  const OnnxNode* last = found->back;
  const auto take = [&](const char* op, const char* weight) {
    const OnnxNode* next = in.only_reader(*last);
    const OnnxTensor* c = channel_weights(in, next, op, x.dims);
    if (c == nullptr) return false;
    in.absorb(*next);
    in.set_weight(name + weight, c->floats());
    last = next;
    return true;
  };
  const bool scale = take("Mul", "/gamma"), center = take("Add", "/beta");
  const Value channels = with_last(in, x, 0, node);
  const double epsilon = found->norm->number("epsilon", 1e-5f);
  Value y = after(channels, GroupNormalization({.groups = found->groups,
                                                .epsilon = epsilon,
                                                .center = center,
                                                .scale = scale,
                                                .name = name})(*channels.tensor));
  in.set_value(last->outputs[0], y);
  return y;
}

}  // namespace sluice::formats::onnx
