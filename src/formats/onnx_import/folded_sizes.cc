// Sizes and borders, which exporters compute of shapes: whole numbers in one row or two axes.
#include <algorithm>

#include "formats/onnx_import/operators.h"

namespace sluice::formats::onnx {
namespace {

using Folded = std::optional<OnnxTensor>;

OnnxTensor with_shape(const Importer& in, const OnnxNode& node, const Ints& values) {
  const auto count = static_cast<int64_t>(values.size());
  const Ints dims = in.whole(node, 1, "the shape");
  if (dims.size() == 2 && dims[0] == -1 && dims[1] > 0 && count % dims[1] == 0) {
    return {{count / dims[1], dims[1]}, values};
  }
  return {{count}, values};
}

Folded gathered(const Importer& in, const OnnxNode& node, const OnnxTensor& x) {
  const OnnxTensor* indices = in.constant(node, 1);
  if (x.dims.size() != 1 || indices == nullptr || !indices->is_whole()) return std::nullopt;
  Ints picked;
  for (int64_t index : indices->ints()) {
    if (index < 0) index += x.dims[0];
    if (index < 0 || index >= x.dims[0]) fail(node, "an index is out of range");
    picked.push_back(x.ints()[static_cast<size_t>(index)]);
  }
  return OnnxTensor{indices->dims, picked};
}

Folded concatenated(const Importer& in, const OnnxNode& node) {
  constexpr size_t kMost = size_t{1} << 16;
  Ints all;
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    const OnnxTensor& part = in.required_constant(node, k, "an input");
    if (!part.is_whole() || part.dims.size() > 1) return std::nullopt;
    all.insert(all.end(), part.ints().begin(), part.ints().end());
    if (all.size() > kMost) fail(node, "the constant is too large");
  }
  return OnnxTensor{{static_cast<int64_t>(all.size())}, all};
}

// Rows, forward or backward.
Folded sliced(const Importer& in, const OnnxNode& node, const OnnxTensor& x) {
  const auto starts = in.ints_of(node, "starts", 1), ends = in.ints_of(node, "ends", 2);
  const Ints axes = in.ints_of(node, "axes", 3).value_or(Ints{0});
  const Ints steps = has_input(node, 4) ? in.whole(node, 4, "steps") : Ints{1};
  const bool is_usual = starts && ends && starts->size() == 1 && ends->size() == 1 &&
                        axes == Ints{0} && (steps == Ints{1} || steps == Ints{-1});
  if (!is_usual || x.dims.empty() || x.dims.size() > 2) return std::nullopt;
  const int64_t rows = x.dims[0], columns = x.dims.size() == 2 ? x.dims[1] : 1, step = steps[0];
  const auto place = [rows, step](int64_t at) {
    const int64_t least = step > 0 ? 0 : -1, most = step > 0 ? rows : rows - 1;
    return std::clamp(at < 0 ? std::max(at, -rows - 1) + rows : at, least, most);
  };
  const int64_t begin = place(starts->front()), end = place(ends->front());
  OnnxTensor picked{.dims = x.dims, .values = Ints()};
  picked.dims[0] = 0;
  Ints& values = std::get<Ints>(picked.values);
  for (int64_t row = begin; step > 0 ? row < end : row > end; row += step, ++picked.dims[0]) {
    const auto first = x.ints().begin() + row * columns;
    values.insert(values.end(), first, first + columns);
  }
  return picked;
}

}  // namespace

std::optional<OnnxTensor> folded_sizes(const Importer& in, const OnnxNode& node,
                                       const OnnxTensor& x) {
  const std::string& op = node.op_type;
  if (op == "Unsqueeze" || op == "Squeeze") {
    if (x.size() != 1) return std::nullopt;
    return OnnxTensor{op == "Squeeze" ? Ints{} : Ints{1}, x.ints()};
  }
  if (op == "Reshape") return with_shape(in, node, x.ints());
  if (op == "Gather") return gathered(in, node, x);
  if (op == "Concat") return concatenated(in, node);
  return op == "Slice" ? sliced(in, node, x) : std::nullopt;
}

}  // namespace sluice::formats::onnx
