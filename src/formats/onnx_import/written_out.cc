// Normalization that is written out,
//
//   c / sqrt(mean(c^2) + epsilon)     c = x - mean(x), or x
//   x / max(|x|, epsilon)             |x| the square root of the sum of squares
//
// with what it is multiplied with and what is added. So do exporters write it before opset 17.
#include <algorithm>
#include <set>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

constexpr const char* kOther =
    "Sluice divides values by their norm or deviation only, not by other values";

enum class Kind { kStandard, kRootMeanSquare, kUnit };

struct WrittenOut {
  Kind kind;
  std::string x;         // what is normalized
  const OnnxNode* mean;  // the node that has its axes
  float epsilon;
};

// The node that gives the value, if it is of that operator.
const OnnxNode* step(const Importer& in, const std::string& value, const char* op) {
  const OnnxNode* found = in.producer(value);
  return found != nullptr && found->op_type == op && !found->inputs.empty() ? found : nullptr;
}

bool is_square_of(const Importer& in, const OnnxNode* node, const std::string& c) {
  if (node == nullptr || node->inputs.size() != 2 || node->input(0) != c) return false;
  if (node->op_type == "Mul") return node->input(1) == c;
  const OnnxTensor* power = node->op_type == "Pow" ? in.constant(*node, 1) : nullptr;
  return power != nullptr && power->size() == 1 && in.floats(*node, 1, "the power")[0] == 2;
}

WrittenOut unit(const Importer& in, const OnnxNode& node) {
  const OnnxNode* largest = in.producer(node.input(1));
  if (largest != nullptr && largest->op_type == "Expand") {  // as F.normalize() writes it
    largest = largest->inputs.empty() ? nullptr : in.producer(largest->input(0));
  }
  if (largest == nullptr || largest->inputs.empty() ||
      (largest->op_type != "Max" && largest->op_type != "Clip")) {
    fail(node, kOther);
  }
  const OnnxNode* norm = step(in, largest->input(0), "ReduceL2");
  const std::optional<float> epsilon = in.number(*largest, 1);
  if (largest->inputs.size() > 2) fail(node, kOther);  // an upper bound, or another value
  constexpr float kMost = 1e-6f;  // ours is 1e-12: what matters is that nothing divides by 0
  if (norm == nullptr || norm->input(0) != node.input(0) || !epsilon || *epsilon > kMost) {
    fail(node, kOther);
  }
  return {Kind::kUnit, node.input(0), norm, *epsilon};
}

WrittenOut written_out(const Importer& in, const OnnxNode& node) {
  const OnnxNode* root = step(in, node.input(1), "Sqrt");
  if (root == nullptr) return unit(in, node);
  const std::string& c = node.input(0);
  const OnnxNode* sum = step(in, root->input(0), "Add");
  const OnnxNode* mean = sum == nullptr ? nullptr : step(in, sum->input(0), "ReduceMean");
  const std::optional<float> epsilon = sum == nullptr ? std::nullopt : in.number(*sum, 1);
  if (mean == nullptr || !epsilon || !is_square_of(in, in.producer(mean->input(0)), c)) {
    fail(node, kOther);
  }
  // Whether the mean is subtracted before.
  const OnnxNode* centered = step(in, c, "Sub");
  if (centered != nullptr && centered->inputs.size() == 2) {
    const OnnxNode* center = step(in, centered->input(1), "ReduceMean");
    if (center != nullptr && center->input(0) == centered->input(0) &&
        center->integer("keepdims", 1) != 0 &&
        in.ints_of(*center, "axes", 1) == in.ints_of(*mean, "axes", 1)) {
      return {Kind::kStandard, centered->input(0), mean, *epsilon};
    }
  }
  return {Kind::kRootMeanSquare, c, mean, *epsilon};
}

// The constant of the node behind `last`, if that is such a one, which is then done: with an
// element for each place along axes of these sizes, 1 where it does not differ.
const OnnxTensor* next_weights(Importer& in, const OnnxNode** last, const char* op,
                               const Ints& dims) {
  const OnnxNode* next = in.only_reader(**last);
  if (next == nullptr || next->op_type != op || next->inputs.size() != 2) return nullptr;
  for (size_t k = 0; k < 2; ++k) {
    const OnnxTensor* c = in.constant(*next, k);
    if (c == nullptr || c->is_whole()) continue;
    Ints sizes = c->dims;
    while (sizes.size() > dims.size() && sizes.front() == 1) sizes.erase(sizes.begin());
    if (sizes.size() > dims.size()) continue;
    sizes.insert(sizes.begin(), dims.size() - sizes.size(), 1);
    if (sizes != dims) continue;
    in.absorb(*next);
    *last = next;
    return c;
  }
  return nullptr;
}

// Axes of the tensor as layers have them, and the file's sizes along them, 1 along others.
struct Axes {
  Ints axes, dims;
};

Axes axes_of(const Value& value, const std::set<size_t>& places) {
  Axes result{.axes = {}, .dims = Ints(value.dims.size(), 1)};
  const auto last = static_cast<int>(value.dims.size()) - 1;
  for (const size_t place : places) {
    const int ours = value.order[place];
    result.axes.push_back(ours == last && places.size() == 1 ? -1 : ours + 1);
    result.dims[place] = value.dims[place];
  }
  return result;
}

}  // namespace

Value normalized(Importer& in, const OnnxNode& node) {
  const WrittenOut what = written_out(in, node);
  if (what.mean->integer("keepdims", 1) == 0) fail(node, kOther);
  const OnnxNode input{.op_type = node.op_type, .name = node.name, .inputs = {what.x}};
  Value value = in.operand(input, 0);
  std::set<size_t> places;
  for (const int64_t axis : in.ints_of(*what.mean, "axes", 1).value_or(Ints())) {
    places.insert(axis_of(node, axis, value.dims.size()));
  }
  if (places.empty()) fail(node, kOther);
  // As they lie where that is all the same; weights want the file's order.
  if (places.size() > 1) {
    value = in_natural_order(in, std::move(value), node);
  } else if (what.kind == Kind::kRootMeanSquare) {
    value = with_last(in, value, *places.begin(), node);
  }
  const auto [axes, dims] = axes_of(value, places);
  const std::string name = in.layer_name(node);
  if (what.kind == Kind::kUnit) {
    return after(value, UnitNormalization({.axis = axes, .name = name})(*value.tensor));
  }
  const bool is_standard = what.kind == Kind::kStandard;
  const OnnxNode* last = &node;
  const OnnxTensor* gamma = next_weights(in, &last, "Mul", dims);
  const OnnxTensor* beta = is_standard ? next_weights(in, &last, "Add", dims) : nullptr;
  if (gamma != nullptr) in.set_weight(name + (is_standard ? "/gamma" : "/scale"), gamma->floats());
  if (beta != nullptr) in.set_weight(name + "/beta", beta->floats());
  SymbolicTensor y = *value.tensor;
  if (is_standard) {
    y = LayerNormalization({.axis = axes,
                            .epsilon = what.epsilon,
                            .center = beta != nullptr,
                            .scale = gamma != nullptr,
                            .name = name})(y);
  } else {
    if (gamma == nullptr) fail(node, "Sluice has it with weights only");
    y = RMSNormalization({.axis = axes, .epsilon = what.epsilon, .name = name})(y);
  }
  const Value result = after(value, y);
  if (last != &node) in.set_value(last->outputs[0], result);
  return result;
}

}  // namespace sluice::formats::onnx
