#include "formats/onnx_importer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <numeric>
#include <stdexcept>

#include "core/parameter_set.h"
#include "formats/lowered_model.h"
#include "sluice/errors.h"
#include "sluice/layers.h"

namespace sluice::formats {

const std::map<std::string, OnnxImporter::Handler>& OnnxImporter::handlers() {
  using I = OnnxImporter;
  static const std::map<std::string, Handler> kHandlers = {
      {"Conv", &I::conv},
      {"ConvTranspose", &I::conv_transpose},
      {"MaxPool", &I::pool},
      {"AveragePool", &I::pool},
      {"GlobalMaxPool", &I::global_pool},
      {"GlobalAveragePool", &I::global_pool},
      {"BatchNormalization", &I::batch_normalization},
      {"InstanceNormalization", &I::instance_normalization},
      {"LayerNormalization", &I::layer_normalization},
      {"Gemm", &I::gemm},
      {"MatMul", &I::matmul},
      {"Resize", &I::resize},
      {"Upsample", &I::resize},
      {"Gather", &I::gather},
      {"Relu", &I::activation},
      {"LeakyRelu", &I::activation},
      {"ThresholdedRelu", &I::activation},
      {"Elu", &I::activation},
      {"Selu", &I::activation},
      {"Celu", &I::activation},
      {"Gelu", &I::activation},
      {"Mish", &I::activation},
      {"Sigmoid", &I::activation},
      {"HardSigmoid", &I::activation},
      {"HardSwish", &I::activation},
      {"Tanh", &I::activation},
      {"Shrink", &I::activation},
      {"Softplus", &I::activation},
      {"Softsign", &I::activation},
      {"Exp", &I::activation},
      {"Softmax", &I::softmax},
      {"LogSoftmax", &I::softmax},
      {"PRelu", &I::prelu},
      {"Erf", &I::erf},
      {"Clip", &I::clip},
      {"Add", &I::binary},
      {"Sub", &I::binary},
      {"Mul", &I::binary},
      {"Div", &I::binary},
      {"Sum", &I::merge},
      {"Mean", &I::merge},
      {"Max", &I::merge},
      {"Min", &I::merge},
      {"Neg", &I::negative},
      {"Identity", &I::identity},
      {"Dropout", &I::identity},
      {"Cast", &I::identity},
      {"Floor", &I::identity},
      {"Reshape", &I::reshape},
      {"Flatten", &I::flatten},
      {"Squeeze", &I::squeeze},
      {"Unsqueeze", &I::squeeze},
      {"Transpose", &I::transpose},
      {"Concat", &I::concat},
      {"Slice", &I::slice},
      {"Split", &I::split},
      {"Pad", &I::pad},
      {"Expand", &I::expand},
      {"ReduceMean", &I::reduce_mean},
  };
  return kHandlers;
}

void OnnxImporter::fail(const OnnxNode& node, const std::string& why) {
  throw std::invalid_argument(fmt::format("{}: {}", node.who(), why));
}

void OnnxImporter::index() {
  for (const OnnxNode& node : file_.nodes) {
    for (const std::string& input : node.inputs) readers_[input].push_back(&node);
    for (const std::string& output : node.outputs) producers_[output] = &node;
  }
  outputs_.insert(file_.outputs.begin(), file_.outputs.end());
  // In front of all others: some are looked for from nodes that come earlier in the file.
  for (const OnnxNode& node : file_.nodes) {
    if (node.op_type != "Constant" || !node.domain.empty() || node.outputs.empty()) continue;
    if (auto value = folded(node)) constants_[node.outputs[0]] = *std::move(value);
  }
}

const OnnxNode* OnnxImporter::producer(const std::string& value) const {
  const auto it = producers_.find(value);
  return it == producers_.end() ? nullptr : it->second;
}

const OnnxNode* OnnxImporter::only_reader(const OnnxNode& node) const {
  if (node.outputs.empty() || outputs_.contains(node.outputs[0])) return nullptr;
  const auto it = readers_.find(node.outputs[0]);
  return it == readers_.end() || it->second.size() != 1 ? nullptr : it->second.front();
}

// Names as Keras takes them.
std::string OnnxImporter::layer_name(std::string base) {
  constexpr size_t kMost = 200;
  std::string name;
  for (const char c : base.substr(0, kMost)) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    if (fits || !name.empty()) name += fits ? c : '_';
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  if (name.empty()) name = "layer";
  std::string unique = name;
  for (int i = 1; !names_.insert(unique).second; ++i) unique = fmt::format("{}_{}", name, i);
  return unique;
}

std::string OnnxImporter::layer_name(const OnnxNode& node) {
  if (!node.name.empty()) return layer_name(node.name);
  std::string name = node.op_type;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return layer_name(name);
}

bool OnnxImporter::has_input(const OnnxNode& node, size_t input) {
  return input < node.inputs.size() && !node.input(input).empty();
}

const OnnxTensor* OnnxImporter::constant(const OnnxNode& node, size_t input) const {
  if (!has_input(node, input)) return nullptr;
  const auto made = constants_.find(node.input(input));
  if (made != constants_.end()) return &made->second;
  const auto stored = file_.constants.find(node.input(input));
  return stored == file_.constants.end() ? nullptr : &stored->second;
}

const OnnxTensor& OnnxImporter::required_constant(const OnnxNode& node, size_t input,
                                                  const char* what) const {
  const OnnxTensor* found = constant(node, input);
  if (found == nullptr) fail(node, fmt::format("{} is no constant of the file", what));
  return *found;
}

std::vector<float> OnnxImporter::floats(const OnnxNode& node, size_t input,
                                        const char* what) const {
  const OnnxTensor& tensor = required_constant(node, input, what);
  if (tensor.is_whole()) return {tensor.ints().begin(), tensor.ints().end()};
  return tensor.floats();
}

OnnxImporter::Ints OnnxImporter::whole(const OnnxNode& node, size_t input, const char* what) const {
  const OnnxTensor& tensor = required_constant(node, input, what);
  if (!tensor.is_whole()) fail(node, fmt::format("{} is no list of whole numbers", what));
  return tensor.ints();
}

std::optional<OnnxImporter::Ints> OnnxImporter::ints_of(const OnnxNode& node, const char* attribute,
                                                        size_t input) const {
  if (node.has(attribute)) return node.ints(attribute, {});
  if (!has_input(node, input)) return std::nullopt;
  return whole(node, input, attribute);
}

float OnnxImporter::scalar_or(const OnnxNode& node, size_t input, const char* attribute,
                              float otherwise) const {
  if (!has_input(node, input)) return node.number(attribute, otherwise);
  const std::vector<float> values = floats(node, input, attribute);
  if (values.size() != 1) fail(node, fmt::format("{} is not one number", attribute));
  return values.front();
}

const OnnxImporter::Value& OnnxImporter::raw_operand(const OnnxNode& node, size_t input) const {
  if (!has_input(node, input)) fail(node, fmt::format("input {} is missing", input));
  const auto missing = missing_.find(node.input(input));
  if (missing != missing_.end()) throw std::invalid_argument(missing->second);
  const auto it = values_.find(node.input(input));
  if (it == values_.end()) {
    fail(node, fmt::format("input \"{}\" is a constant, or nothing before it gives it",
                           printable(node.input(input))));
  }
  return it->second;
}

OnnxImporter::Value OnnxImporter::operand(const OnnxNode& node, size_t input) {
  return in_file_order(raw_operand(node, input), node);
}

OnnxImporter::Order OnnxImporter::natural(size_t rank) {
  Order order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

OnnxImporter::Order OnnxImporter::channels_last(size_t rank) {
  Order order = natural(rank);
  if (rank > 0) std::rotate(order.begin(), order.end() - 1, order.end());
  return order;
}

std::vector<float> OnnxImporter::reordered(const std::vector<float>& x, const Ints& dims,
                                           const Order& order) {
  return transposed(x, dims, order);
}

// Axis j of the new tensor is the file's axis whose order is j.
SymbolicTensor OnnxImporter::arranged(const Value& value, const Order& order,
                                      const OnnxNode& node) {
  if (value.order == order) return *value.tensor;
  Ints dims(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    dims[static_cast<size_t>(order[k])] = value.order[k] + 1;
  }
  return Permute({.dims = dims, .name = layer_name(node.name + "_permute")})(*value.tensor);
}

// Of a row that was an image: with its elements as the file has them.
OnnxImporter::Value OnnxImporter::in_file_order(Value value, const OnnxNode& node) {
  if (!value.image) return value;
  const auto [dims, order] = *value.image;
  Ints sizes(dims.size());
  for (size_t k = 0; k < dims.size(); ++k) sizes[static_cast<size_t>(order[k])] = dims[k];
  Value image{.tensor = Reshape({.target_shape = Shape(sizes),
                                 .name = layer_name(node.name + "_image")})(*value.tensor),
              .dims = dims,
              .order = order};
  const SymbolicTensor natural_image = arranged(image, natural(dims.size()), node);
  value.tensor = Flatten({.name = layer_name(node.name + "_flatten")})(natural_image);
  value.image.reset();
  return value;
}

OnnxImporter::Value OnnxImporter::after(const Value& value, SymbolicTensor tensor) const {
  return {
      .tensor = std::move(tensor), .dims = value.dims, .order = value.order, .image = value.image};
}

void OnnxImporter::append(const OnnxNode& node) {
  if (absorbed_.contains(&node)) return;
  if (!node.domain.empty()) {
    fail(node, fmt::format("the domain \"{}\" is somebody's own", printable(node.domain)));
  }
  if (node.outputs.empty() || constants_.contains(node.outputs[0])) return;
  if (std::optional<OnnxTensor> value = folded(node)) {
    constants_[node.outputs[0]] = *std::move(value);
    return;
  }
  // A part of something larger, which is a layer of ours, may be none itself; nor does it matter
  // what becomes of values that no output needs.
  const auto missing = [&](const std::string& why) {
    for (const std::string& output : node.outputs) missing_[output] = why;
  };
  const auto handler = handlers().find(node.op_type);
  try {
    if (handler == handlers().end()) fail(node, "Sluice has no layer for it");
    Value value = (this->*handler->second)(node);
    values_[node.outputs[0]] = std::move(value);
  } catch (const ShapeError& error) {
    missing(fmt::format("{}: {}", node.who(), error.what()));
  } catch (const std::invalid_argument& error) {
    missing(error.what());
  }
}

Model OnnxImporter::import() {
  constexpr int64_t kOldest = 7, kNewest = 22;
  if (file_.opset < kOldest || file_.opset > kNewest) {
    throw std::invalid_argument(
        fmt::format("is of opset {}; Sluice reads {} to {}", file_.opset, kOldest, kNewest));
  }
  index();
  std::vector<SymbolicTensor> inputs, outputs;
  for (const OnnxInput& input : file_.inputs) {
    if (std::ranges::any_of(input.dims, [](int64_t size) { return size < 1; })) {
      throw std::invalid_argument(
          fmt::format("input \"{}\": the file does not say how large each of its axes but the "
                      "batch is",
                      printable(input.name)));
    }
    if (input.batch) batch_ = input.batch;
    const Input layer(Shape(input.dims), {.name = layer_name(input.name)});
    inputs.push_back(layer);
    values_[input.name] = {
        .tensor = inputs.back(), .dims = input.dims, .order = natural(input.dims.size())};
  }
  for (const OnnxNode& node : file_.nodes) append(node);
  for (const std::string& name : file_.outputs) {
    const OnnxNode end{.op_type = "output", .name = name, .inputs = {name}};
    const Value value = operand(end, 0);
    outputs.push_back(arranged(value, natural(value.dims.size()), end));
  }
  Model model(inputs, outputs, layer_name(file_.name.empty() ? "model" : file_.name));
  std::set<std::string> known;
  for (const auto& variable : model.parameters().layout().variables()) known.insert(variable.name);
  for (const auto& [name, values] : weights_) {
    if (known.contains(name)) model.set_weights(name, values);
  }
  return model;
}

}  // namespace sluice::formats
