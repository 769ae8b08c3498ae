// OnnxImporter: nodes of constants, and of sizes, which exporters compute where a shape is needed.
#include <algorithm>

#include "formats/onnx_importer.h"

namespace sluice::formats {
namespace {

constexpr size_t kMostFolded = size_t{1} << 16;  // numbers that a node may make of a few

using Ints = std::vector<int64_t>;

OnnxTensor whole_tensor(Ints dims, Ints values) { return {std::move(dims), std::move(values)}; }

}  // namespace

OnnxTensor OnnxImporter::shape_of(const OnnxNode& node) {
  Ints sizes;
  if (const OnnxTensor* tensor = constant(node, 0)) {
    sizes = tensor->dims;
  } else {
    sizes = raw_operand(node, 0).dims;
    sizes.insert(sizes.begin(), batch_.value_or(kBatch));
  }
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto place = [rank](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const int64_t begin = place(node.integer("start", 0)), end = place(node.integer("end", rank));
  if (begin >= end) return whole_tensor({0}, {});
  return whole_tensor({end - begin}, Ints(sizes.begin() + begin, sizes.begin() + end));
}

namespace {

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

// a + b and so on, of as many numbers, or of one and any number. nullopt: not of these.
template <typename Number, typename Operation>
std::optional<std::vector<Number>> combined(const std::vector<Number>& a,
                                            const std::vector<Number>& b, Operation operation) {
  if (a.empty() || b.empty() || (a.size() != b.size() && a.size() != 1 && b.size() != 1)) {
    return std::nullopt;
  }
  std::vector<Number> result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const std::optional<Number> value =
        operation(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]);
    if (!value) return std::nullopt;
    result[i] = *value;
  }
  return result;
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

std::vector<int64_t> transposed_ints(const OnnxTensor& x) {
  Ints values;
  for (int64_t column = 0; column < x.dims[1]; ++column) {
    for (int64_t row = 0; row < x.dims[0]; ++row) {
      values.push_back(x.ints()[static_cast<size_t>(row * x.dims[1] + column)]);
    }
  }
  return values;
}

std::optional<OnnxTensor> arithmetic(const OnnxNode& node, const OnnxTensor& a,
                                     const OnnxTensor& b) {
  if (a.is_whole() != b.is_whole()) return std::nullopt;
  const auto operation = [&](auto x, auto y) { return calculated(node.op_type, x, y); };
  const Ints& dims = a.size() > b.size() || a.dims.size() >= b.dims.size() ? a.dims : b.dims;
  const auto size = std::max(a.size(), b.size());
  int64_t counted = 1;
  for (const int64_t each : dims) counted *= each;
  if (counted != static_cast<int64_t>(size)) return std::nullopt;
  if (a.is_whole()) {
    auto values = combined(a.ints(), b.ints(), operation);
    if (!values) return std::nullopt;
    return OnnxTensor{dims, *std::move(values)};
  }
  auto values = combined(a.floats(), b.floats(), operation);
  if (!values) return std::nullopt;
  return OnnxTensor{dims, *std::move(values)};
}

}  // namespace

std::optional<OnnxTensor> OnnxImporter::folded(const OnnxNode& node) {
  const std::string& op = node.op_type;
  if (op == "Constant") return constant_of(node);
  if (op == "Shape") return shape_of(node);
  if (op == "ConstantOfShape") {
    const Ints dims = whole(node, 0, "the shape");
    size_t size = 1;
    for (const int64_t each : dims) {
      if (each < 0 || (each > 0 && size > kMostFolded / static_cast<size_t>(each))) {
        fail(node, "the constant is too large, or depends on the batch");
      }
      size *= static_cast<size_t>(each);
    }
    const auto it = node.attributes.find("value");
    const auto* value =
        it == node.attributes.end() ? nullptr : std::get_if<OnnxTensor>(&it->second);
    if (value != nullptr && value->size() != 1) fail(node, "the value is not one number");
    if (value != nullptr && value->is_whole()) {
      return OnnxTensor{dims, Ints(size, value->ints().front())};
    }
    return OnnxTensor{dims, std::vector<float>(size, value ? value->floats().front() : 0.0f)};
  }
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (has_input(node, k) && constant(node, k) == nullptr) return std::nullopt;
  }
  if (!has_input(node, 0)) return std::nullopt;
  const OnnxTensor& x = *constant(node, 0);
  if (op == "Identity" || op == "Dropout") return x;
  if (op == "Cast") {
    constexpr int64_t kInt32 = 6, kInt64 = 7;
    const int64_t to = node.integer("to", 0);
    const bool to_whole = to == kInt32 || to == kInt64;
    if (to_whole == x.is_whole()) return x;
    if (!to_whole) return OnnxTensor{x.dims, std::vector<float>(x.ints().begin(), x.ints().end())};
    Ints values;
    for (const float value : x.floats()) {
      constexpr float kMost = 1e9f;
      if (!(value > -kMost && value < kMost)) fail(node, "a size is out of range");
      values.push_back(static_cast<int64_t>(value));
    }
    return OnnxTensor{x.dims, std::move(values)};
  }
  if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") {
    return has_input(node, 1) ? arithmetic(node, x, *constant(node, 1)) : std::nullopt;
  }
  if (op == "Transpose" && x.dims.size() == 2) {
    const Ints perm = node.ints("perm", {1, 0});
    if (perm == Ints{0, 1}) return x;
    if (perm != Ints{1, 0}) return std::nullopt;
    const Ints dims{x.dims[1], x.dims[0]};
    if (!x.is_whole()) return OnnxTensor{dims, reordered(x.floats(), x.dims, {1, 0})};
    return OnnxTensor{dims, transposed_ints(x)};
  }
  return x.is_whole() ? folded_sizes(node, x) : std::nullopt;
}

// Of whole numbers, in one row or two axes, as sizes and borders are computed.
std::optional<OnnxTensor> OnnxImporter::folded_sizes(const OnnxNode& node, const OnnxTensor& x) {
  const std::string& op = node.op_type;
  const Ints& values = x.ints();
  const auto count = static_cast<int64_t>(values.size());
  if (op == "Unsqueeze" || op == "Squeeze") {
    if (count != 1) return std::nullopt;
    return OnnxTensor{op == "Squeeze" ? Ints{} : Ints{1}, values};
  }
  if (op == "Reshape") {
    Ints dims = whole(node, 1, "the shape");
    if (dims.size() == 2 && dims[0] == -1 && dims[1] > 0 && count % dims[1] == 0) {
      dims[0] = count / dims[1];
    } else {
      dims = {count};
    }
    return OnnxTensor{dims, values};
  }
  if (op == "Gather" && x.dims.size() == 1) {
    Ints picked;
    const OnnxTensor& indices = *constant(node, 1);
    if (!indices.is_whole()) return std::nullopt;
    for (int64_t index : indices.ints()) {
      if (index < 0) index += count;
      if (index < 0 || index >= count) fail(node, "an index is out of range");
      picked.push_back(values[static_cast<size_t>(index)]);
    }
    return OnnxTensor{indices.dims, picked};
  }
  if (op == "Concat") {
    Ints all;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const OnnxTensor& part = required_constant(node, k, "an input");
      if (!part.is_whole() || part.dims.size() > 1) return std::nullopt;
      all.insert(all.end(), part.ints().begin(), part.ints().end());
      if (all.size() > kMostFolded) fail(node, "the constant is too large");
    }
    return OnnxTensor{{static_cast<int64_t>(all.size())}, all};
  }
  return op == "Slice" ? sliced_sizes(node, x) : std::nullopt;
}

std::optional<OnnxTensor> OnnxImporter::sliced_sizes(const OnnxNode& node, const OnnxTensor& x) {
  const auto starts = ints_of(node, "starts", 1), ends = ints_of(node, "ends", 2);
  const Ints axes = ints_of(node, "axes", 3).value_or(Ints{0});
  const Ints steps = has_input(node, 4) ? whole(node, 4, "steps") : Ints{1};
  const bool is_usual = starts && ends && starts->size() == 1 && ends->size() == 1 &&
                        axes == Ints{0} && (steps == Ints{1} || steps == Ints{-1});
  if (!is_usual || x.dims.empty() || x.dims.size() > 2) return std::nullopt;
  const int64_t rows = x.dims[0], columns = x.dims.size() == 2 ? x.dims[1] : 1, step = steps[0];
  const auto place = [rows](int64_t at, int64_t least, int64_t most) {
    return std::clamp(at < 0 ? std::max(at, -rows - 1) + rows : at, least, most);
  };
  const int64_t begin =
      step > 0 ? place(starts->front(), 0, rows) : place(starts->front(), -1, rows - 1);
  const int64_t end = step > 0 ? place(ends->front(), 0, rows) : place(ends->front(), -1, rows - 1);
  Ints picked, dims = x.dims;
  dims[0] = 0;
  for (int64_t row = begin; step > 0 ? row < end : row > end; row += step, ++dims[0]) {
    const auto first = x.ints().begin() + row * columns;
    picked.insert(picked.end(), first, first + columns);
  }
  return OnnxTensor{dims, picked};
}

}  // namespace sluice::formats
