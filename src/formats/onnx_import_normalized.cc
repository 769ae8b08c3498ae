// OnnxImporter: normalization that is written out,
//
//   c / sqrt(mean(c^2) + epsilon)     c = x - mean(x), or x
//   x / max(|x|, epsilon)             |x| the square root of the sum of squares
//
// with what it is multiplied with and what is added. So do exporters write it before opset 17.
#include <algorithm>

#include "formats/onnx_importer.h"
#include "sluice/layers.h"

namespace sluice::formats {

// The constant of the node behind `last`, if that is such a one, which is then done: with an
// element for each place along axes of these sizes, 1 where it does not differ.
const OnnxTensor* OnnxImporter::next_weights(const OnnxNode** last, const char* op,
                                             const Ints& dims) {
  const OnnxNode* next = only_reader(**last);
  if (next == nullptr || next->op_type != op || next->inputs.size() != 2) return nullptr;
  for (size_t k = 0; k < 2; ++k) {
    const OnnxTensor* c = constant(*next, k);
    if (c == nullptr || c->is_whole()) continue;
    Ints sizes = c->dims;
    while (sizes.size() > dims.size() && sizes.front() == 1) sizes.erase(sizes.begin());
    if (sizes.size() > dims.size()) continue;
    sizes.insert(sizes.begin(), dims.size() - sizes.size(), 1);
    if (sizes != dims) continue;
    absorb(*next);
    *last = next;
    return c;
  }
  return nullptr;
}

OnnxImporter::Value OnnxImporter::normalized(const OnnxNode& node) {
  const char* why = "Sluice divides values by their norm or deviation only, not by other values";
  const auto single = [&](const OnnxNode* of, size_t at) -> std::optional<float> {
    const OnnxTensor* c = constant(*of, at);
    if (c == nullptr || c->is_whole() || c->size() != 1) return std::nullopt;
    return c->floats().front();
  };
  const auto step = [&](const std::string& value, const char* op) {
    const OnnxNode* found = producer(value);
    return found != nullptr && found->op_type == op && !found->inputs.empty() ? found : nullptr;
  };
  const std::string& c = node.input(0);
  std::string x = c;
  const OnnxNode *mean = nullptr, *sum = nullptr;
  std::optional<float> epsilon;
  const OnnxNode* root = step(node.input(1), "Sqrt");
  const bool is_unit = root == nullptr;
  if (root != nullptr) {
    sum = step(root->input(0), "Add");
    mean = sum == nullptr ? nullptr : step(sum->input(0), "ReduceMean");
    if (mean == nullptr) fail(node, why);
    epsilon = single(sum, 1);
    const OnnxNode* square = producer(mean->input(0));
    const bool is_square =
        square != nullptr && square->inputs.size() == 2 && square->input(0) == c &&
        ((square->op_type == "Mul" && square->input(1) == c) ||
         (square->op_type == "Pow" && constant(*square, 1) != nullptr &&
          constant(*square, 1)->size() == 1 && floats(*square, 1, "the power")[0] == 2));
    if (!is_square) fail(node, why);
  } else {
    const OnnxNode* largest = producer(node.input(1));
    if (largest != nullptr && largest->op_type == "Expand") {  // as F.normalize() writes it
      largest = largest->inputs.empty() ? nullptr : producer(largest->input(0));
    }
    if (largest == nullptr || (largest->op_type != "Max" && largest->op_type != "Clip")) {
      fail(node, why);
    }
    mean = step(largest->input(0), "ReduceL2");
    epsilon = single(largest, 1);
    constexpr float kMost = 1e-6f;  // ours is 1e-12: what matters is that nothing divides by 0
    if (mean == nullptr || mean->input(0) != x || !epsilon || *epsilon > kMost) fail(node, why);
  }
  if (!epsilon || mean->integer("keepdims", 1) == 0) fail(node, why);
  // Whether the mean is subtracted before.
  const OnnxNode* centered = is_unit ? nullptr : step(c, "Sub");
  const OnnxNode* center = nullptr;
  if (centered != nullptr && centered->inputs.size() == 2) {
    center = step(centered->input(1), "ReduceMean");
    if (center != nullptr && center->input(0) == centered->input(0) &&
        ints_of(*center, "axes", 1) == ints_of(*mean, "axes", 1)) {
      x = centered->input(0);
    }
  }
  const bool is_standard = x != c;
  const OnnxNode input{.op_type = node.op_type, .name = node.name, .inputs = {x}};
  Value value = operand(input, 0);
  const auto rank = static_cast<int64_t>(value.dims.size());
  std::set<int64_t> places;
  for (const int64_t axis : ints_of(*mean, "axes", 1).value_or(Ints())) {
    places.insert(axis < 0 ? axis + rank + 1 : axis);
  }
  if (places.empty() || *places.begin() < 1 || *places.rbegin() > rank) fail(node, why);
  // As they lie where that is all the same; weights want the file's order.
  if (places.size() > 1) {
    value.tensor = arranged(value, natural(value.dims.size()), node);
    value.order = natural(value.dims.size());
  }
  if (places.size() == 1 && !is_standard && !is_unit) {
    value = with_last(value, static_cast<size_t>(*places.begin() - 1), node);
  }
  std::vector<int64_t> axes;
  Ints dims(value.dims.size(), 1);
  for (const int64_t place : places) {
    const auto k = static_cast<size_t>(place - 1);
    const int ours = value.order[k] + 1;
    axes.push_back(ours == rank && places.size() == 1 ? -1 : ours);
    dims[k] = value.dims[k];
  }
  const std::string name = layer_name(node);
  const OnnxNode* last = &node;
  if (is_unit) {
    return after(value, UnitNormalization({.axis = axes, .name = name})(*value.tensor));
  }
  const OnnxTensor* gamma = next_weights(&last, "Mul", dims);
  const OnnxTensor* beta = is_standard ? next_weights(&last, "Add", dims) : nullptr;
  if (gamma != nullptr) set_weight(name + (is_standard ? "/gamma" : "/scale"), gamma->floats());
  if (beta != nullptr) set_weight(name + "/beta", beta->floats());
  SymbolicTensor y = *value.tensor;
  if (is_standard) {
    y = LayerNormalization({.axis = axes,
                            .epsilon = *epsilon,
                            .center = beta != nullptr,
                            .scale = gamma != nullptr,
                            .name = name})(y);
  } else {
    if (gamma == nullptr) fail(node, "Sluice has it with weights only");
    y = RMSNormalization({.axis = axes, .epsilon = *epsilon, .name = name})(y);
  }
  const Value result = after(value, y);
  if (last != &node) values_[last->outputs[0]] = result;
  return result;
}

}  // namespace sluice::formats
