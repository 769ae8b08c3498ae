#include "formats/lowered_model.h"
#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

// A product x K + b as it stands in the file: K is [features, units].
struct Product {
  std::vector<float> kernel{};
  int64_t units = 0;
  std::optional<std::vector<float>> bias{};
  std::string output{};  // of the last node that belongs to it
};

// Rows of a kernel in the order in which a flattened image lies, instead of the file's.
std::vector<float> with_rows_of(const std::pair<Ints, Order>& image,
                                const std::vector<float>& kernel, int64_t units) {
  const auto& [dims, order] = image;
  Ints sizes = dims;
  sizes.push_back(units);
  Order rows(dims.size());
  for (size_t k = 0; k < dims.size(); ++k) {
    rows[static_cast<size_t>(order[k])] = static_cast<int>(k);
  }
  rows.push_back(static_cast<int>(dims.size()));
  return transposed(kernel, sizes, rows);
}

Value dense(Importer& in, const OnnxNode& node, Product product) {
  Value x = in.raw_operand(node, 0);
  const std::string name = in.layer_name(node);
  if (x.image) {
    product.kernel = with_rows_of(*x.image, product.kernel, product.units);
  } else {
    x = with_last(in, x, x.dims.size() - 1, node);
  }
  in.set_weight(name + "/kernel", std::move(product.kernel));
  const bool has_bias = product.bias.has_value();
  if (has_bias) in.set_weight(name + "/bias", *std::move(product.bias));
  const ActivationFunction f = absorbed_activation(in, node, x.dims.size(), &product.output);
  const Dense layer({.units = product.units, .activation = f, .use_bias = has_bias, .name = name});
  Value y = after(x, layer(*x.tensor));
  y.dims.back() = product.units;
  y.image.reset();
  y.is_positive = f.name == "relu" || f.name == "sigmoid";
  return in.finished(node, product.output, y);
}

}  // namespace

// alpha x B + beta c
Value gemm(Importer& in, const OnnxNode& node) {
  const Value& x = in.raw_operand(node, 0);
  const OnnxTensor& b = in.required_constant(node, 1, "the second factor");
  const bool is_transposed = node.integer("transB", 0) != 0;
  if (node.integer("transA", 0) != 0 || x.dims.size() != 1 || b.dims.size() != 2 || b.is_whole() ||
      b.size() == 0 || b.dims[is_transposed ? 1 : 0] != x.dims[0]) {
    fail(node, "Sluice has it of rows, with a constant that fits");
  }
  const auto units = static_cast<size_t>(b.dims[is_transposed ? 0 : 1]);
  Product product{.kernel = is_transposed ? transposed(b.floats(), b.dims, {1, 0}) : b.floats(),
                  .units = static_cast<int64_t>(units),
                  .output = node.outputs[0]};
  for (float& weight : product.kernel) weight *= node.number("alpha", 1);
  if (has_input(node, 2)) {
    std::vector<float> bias = in.floats(node, 2, "what is added");
    if (bias.size() == 1) bias.resize(units, bias.front());
    const OnnxTensor& c = *in.constant(node, 2);
    if (bias.size() != units || (c.size() > 1 && c.dims.back() != b.dims[is_transposed ? 0 : 1])) {
      fail(node, "what is added does not fit");
    }
    for (float& each : bias) each *= node.number("beta", 1);
    product.bias = std::move(bias);
  }
  return dense(in, node, std::move(product));
}

Value matmul(Importer& in, const OnnxNode& node) {
  const Value& x = in.raw_operand(node, 0);
  const OnnxTensor& b = in.required_constant(node, 1, "the second factor");
  if (x.dims.empty() || b.dims.size() != 2 || b.is_whole() || b.size() == 0 ||
      b.dims[0] != x.dims.back()) {
    fail(node, "Sluice has it with a constant [features, units] that fits");
  }
  Product product{.kernel = b.floats(), .units = b.dims[1], .output = node.outputs[0]};
  const OnnxNode* sum = in.only_reader(node);
  if (sum != nullptr && sum->op_type == "Add" && sum->inputs.size() == 2) {
    const OnnxTensor* c = in.constant(*sum, sum->input(0) == product.output ? 1 : 0);
    if (c != nullptr && !c->is_whole() && !c->dims.empty() && c->dims.back() == b.dims[1] &&
        c->size() == static_cast<size_t>(b.dims[1])) {
      product.bias = c->floats();
      in.absorb(*sum);
      product.output = sum->outputs[0];
    }
  }
  return dense(in, node, std::move(product));
}

}  // namespace sluice::formats::onnx
