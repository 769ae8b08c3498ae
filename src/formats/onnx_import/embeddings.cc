// Rows of a table, and whole numbers that say which.
#include <algorithm>
#include <cmath>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

Value embedding(Importer& in, const OnnxNode& node, const Value& x, std::vector<float> table,
                int64_t columns) {
  const std::string name = in.layer_name(node);
  const auto rows = static_cast<int64_t>(table.size()) / columns;
  in.set_weight(name + "/embeddings", std::move(table));
  Value y{.dims = x.dims, .order = natural(x.dims.size() + 1)};
  y.dims.push_back(columns);
  y.tensor = Embedding({.input_dim = rows, .output_dim = columns, .name = name})(
      *in_natural_order(in, x, node).tensor);
  return y;
}

// Of a table with a row of NaN in front and one behind, as ours are written.
std::optional<Value> embedding_with_borders(Importer& in, const OnnxNode& node,
                                            const OnnxTensor& table) {
  const OnnxNode* at = in.producer(node.input(1));
  const OnnxNode* floor = nullptr;
  for (const char* op : {"Add", "Cast", "Clip", "Floor"}) {
    if (at == nullptr || at->op_type != op || at->inputs.empty()) return std::nullopt;
    floor = at;
    at = in.producer(at->input(0));
  }
  const std::vector<float>& values = table.floats();
  const int64_t columns = table.dims[1];
  const auto is_nan = [](float value) { return std::isnan(value); };
  if (table.dims[0] < 3 || !std::all_of(values.begin(), values.begin() + columns, is_nan) ||
      !std::all_of(values.end() - columns, values.end(), is_nan)) {
    return std::nullopt;
  }
  return embedding(in, node, in.operand(*floor, 0),
                   {values.begin() + columns, values.end() - columns}, columns);
}

// One place along an axis, as x[:, 0] writes it.
Value place_of(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const OnnxTensor& index = in.required_constant(node, 1, "the index");
  if (!index.is_whole() || index.size() != 1 || index.dims.size() > 1) {
    fail(node, "Sluice takes one place of an axis");
  }
  const size_t axis = axis_of(node, node.integer("axis", 0), x.dims.size());
  const int64_t size = x.dims[axis], given = index.ints().front();
  const int64_t place = given < 0 ? given + size : given;
  if (place < 0 || place >= size) fail(node, "the index is out of range");
  std::vector<Border1D> borders(x.dims.size(), Border1D(0));
  borders[axis] = Border1D(-place, place + 1 - size);
  const Value y = bordered(in, x, borders, node);
  Ints dims = y.dims;
  if (index.dims.empty()) dims.erase(dims.begin() + static_cast<int64_t>(axis));
  return reshaped(in, y, dims, node);
}

}  // namespace

Value gather(Importer& in, const OnnxNode& node) {
  const OnnxTensor* table = in.constant(node, 0);
  if (table == nullptr) return place_of(in, node);
  if (table->is_whole() || table->dims.size() != 2 || node.integer("axis", 0) != 0 ||
      table->size() == 0) {
    fail(node, "Sluice has it of rows of a table [rows, columns]");
  }
  if (auto embedded = embedding_with_borders(in, node, *table)) return *std::move(embedded);
  return embedding(in, node, in.operand(node, 1), table->floats(), table->dims[1]);
}

// Cast and Floor. Numbers of all types are float32 here; one that is cut to a whole number is for
// a table's rows, which Embedding does by itself.
Value cut(Importer& in, const OnnxNode& node) {
  Value x = in.raw_operand(node, 0);
  enum Type : int64_t {
    kFloat = 1,
    kInt32 = 6,
    kInt64 = 7,
    kFloat16 = 10,
    kDouble = 11,
    kBfloat16 = 16
  };
  const int64_t to = node.op_type == "Floor" ? int64_t{kInt64} : node.integer("to", 0);
  const bool is_float = to == kFloat || to == kFloat16 || to == kDouble || to == kBfloat16;
  if (is_float && !x.is_index) return x;
  if (to != kInt32 && to != kInt64) fail(node, "Sluice has no layer that cuts numbers off so");
  x.is_index = true;
  return x;
}

}  // namespace sluice::formats::onnx
