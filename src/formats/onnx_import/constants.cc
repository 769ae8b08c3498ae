// Nodes of constants, which exporters compute where a shape is needed.
#include <algorithm>

#include "formats/lowered_model.h"
#include "formats/onnx_import/operators.h"

namespace sluice::formats::onnx {
namespace {

OnnxTensor whole_tensor(Ints dims, Ints values) { return {std::move(dims), std::move(values)}; }

std::optional<OnnxTensor> constant_of(const OnnxNode& node) {
  for (const auto& [name, value] : node.attributes) {
    const auto row = [](const auto& values) {
      return OnnxTensor{{static_cast<int64_t>(values.size())}, values};
    };
    if (const auto* tensor = std::get_if<OnnxTensor>(&value)) return *tensor;
    if (const auto* one = std::get_if<float>(&value)) return OnnxTensor{{}, std::vector{*one}};
    if (const auto* one = std::get_if<int64_t>(&value)) return OnnxTensor{{}, Ints{*one}};
    if (const auto* several = std::get_if<std::vector<float>>(&value)) return row(*several);
    if (const auto* several = std::get_if<Ints>(&value)) return row(*several);
  }
  return std::nullopt;
}

OnnxTensor shape_of(const Importer& in, const OnnxNode& node) {
  Ints sizes;
  if (const OnnxTensor* tensor = in.constant(node, 0)) {
    sizes = tensor->dims;
  } else {
    sizes = in.raw_operand(node, 0).dims;
    sizes.insert(sizes.begin(), in.batch().value_or(Importer::kBatch));
  }
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto place = [rank](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const int64_t begin = place(node.integer("start", 0)), end = place(node.integer("end", rank));
  if (begin >= end) return whole_tensor({0}, {});
  return whole_tensor({end - begin}, Ints(sizes.begin() + begin, sizes.begin() + end));
}

OnnxTensor filled(const Importer& in, const OnnxNode& node) {
  constexpr size_t kMost = size_t{1} << 16;
  const Ints dims = in.whole(node, 0, "the shape");
  size_t size = 1;
  for (const int64_t each : dims) {
    if (each < 0 || (each > 0 && size > kMost / static_cast<size_t>(each))) {
      fail(node, "the constant is too large, or depends on the batch");
    }
    size *= static_cast<size_t>(each);
  }
  const auto it = node.attributes.find("value");
  const auto* value = it == node.attributes.end() ? nullptr : std::get_if<OnnxTensor>(&it->second);
  if (value != nullptr && value->size() != 1) fail(node, "the value is not one number");
  if (value != nullptr && value->is_whole()) {
    return whole_tensor(dims, Ints(size, value->ints().front()));
  }
  return {dims, std::vector<float>(size, value ? value->floats().front() : 0.0f)};
}

std::optional<OnnxTensor> cast(const OnnxNode& node, const OnnxTensor& x) {
  constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11;
  const int64_t to = node.integer("to", 0);
  const bool to_whole = to == kInt32 || to == kInt64;
  if (!to_whole && to != kFloat && to != kDouble) return std::nullopt;  // others hold less
  if (to_whole == x.is_whole()) return x;
  if (!to_whole) return OnnxTensor{x.dims, as_floats(node, x.ints())};
  Ints values;
  for (const float value : x.floats()) {
    constexpr float kMost = 1e9f;
    if (!(value > -kMost && value < kMost)) fail(node, "a size is out of range");
    values.push_back(static_cast<int64_t>(value));
  }
  return whole_tensor(x.dims, std::move(values));
}

std::optional<float> calculated(const std::string& op, float a, float b) {
  return op == "Add" ? a + b : op == "Sub" ? a - b : op == "Mul" ? a * b : a / b;
}

// Without overflow, of sizes as they occur in shapes.
std::optional<int64_t> calculated(const std::string& op, int64_t a, int64_t b) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (a > kMost || a < -kMost || b > kMost || b < -kMost) return std::nullopt;
  int64_t result = 0;
  if (op == "Mul") {
    if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
    return result;
  }
  if (op == "Div") {
    if (b == 0) return std::nullopt;
    return a / b;
  }
  return op == "Add" ? a + b : a - b;
}

// a + b and so on, of as many numbers, or of one and any number. nullopt: it cannot be computed.
template <typename Number>
std::optional<OnnxTensor> calculated(const std::string& op, const Ints& dims,
                                     const std::vector<Number>& a, const std::vector<Number>& b) {
  std::vector<Number> result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const std::optional<Number> value =
        calculated(op, a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]);
    if (!value) return std::nullopt;
    result[i] = *value;
  }
  return OnnxTensor{dims, std::move(result)};
}

std::optional<OnnxTensor> arithmetic(const OnnxNode& node, const OnnxTensor& a,
                                     const OnnxTensor& b) {
  if (a.is_whole() != b.is_whole() || a.size() == 0 || b.size() == 0) return std::nullopt;
  // Of one shape, or one of them a number.
  if (a.dims != b.dims && a.size() != 1 && b.size() != 1) return std::nullopt;
  const bool first =
      a.size() > b.size() || (a.size() == b.size() && a.dims.size() >= b.dims.size());
  const Ints& dims = first ? a.dims : b.dims;
  if (dims.size() < std::max(a.dims.size(), b.dims.size())) return std::nullopt;
  if (a.is_whole()) return calculated(node.op_type, dims, a.ints(), b.ints());
  return calculated(node.op_type, dims, a.floats(), b.floats());
}

std::optional<OnnxTensor> turned(const OnnxNode& node, const OnnxTensor& x) {
  const Ints perm = node.ints("perm", {1, 0});
  if (x.dims.size() != 2 || (perm != Ints{0, 1} && perm != Ints{1, 0})) return std::nullopt;
  if (perm == Ints{0, 1}) return x;
  const Ints dims{x.dims[1], x.dims[0]};
  if (!x.is_whole()) return OnnxTensor{dims, transposed(x.floats(), x.dims, {1, 0})};
  Ints values;
  for (int64_t column = 0; column < x.dims[1]; ++column) {
    for (int64_t row = 0; row < x.dims[0]; ++row) {
      values.push_back(x.ints()[static_cast<size_t>(row * x.dims[1] + column)]);
    }
  }
  return whole_tensor(dims, std::move(values));
}

}  // namespace

std::optional<OnnxTensor> folded(const Importer& in, const OnnxNode& node) {
  const std::string& op = node.op_type;
  if (op == "Constant") return constant_of(node);
  if (op == "Shape") return shape_of(in, node);
  if (op == "ConstantOfShape") return filled(in, node);
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (has_input(node, k) && in.constant(node, k) == nullptr) return std::nullopt;
  }
  if (!has_input(node, 0)) return std::nullopt;
  const OnnxTensor& x = *in.constant(node, 0);
  if (op == "Identity" || op == "Dropout") return x;
  if (op == "Cast") return cast(node, x);
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") {
    return has_input(node, 1) ? arithmetic(node, x, *in.constant(node, 1)) : std::nullopt;
  }
  if (op == "Transpose") return turned(node, x);
  return x.is_whole() ? folded_sizes(in, node, x) : std::nullopt;
}

}  // namespace sluice::formats::onnx
