#include "formats/onnx_import/importer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include "core/parameter_set.h"
#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/errors.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {

void fail(const OnnxNode& node, const std::string& why) {
  throw std::invalid_argument(fmt::format("{}: {}", node.who(), why));
}

bool has_input(const OnnxNode& node, size_t input) {
  return input < node.inputs.size() && !node.input(input).empty();
}

std::vector<float> as_floats(const OnnxNode& node, const Ints& values) {
  if (std::ranges::find(values, Importer::kBatch) != values.end()) {
    fail(node, "it computes with the number of samples in a batch, which no layer knows");
  }
  return {values.begin(), values.end()};
}

// As Keras takes names.
static std::string keras_name(const std::string& base) {
  constexpr size_t kMost = 200;
  std::string name;
  for (const char c : base.substr(0, kMost)) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    if (fits || !name.empty()) name += fits ? c : '_';
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  return name.empty() ? "layer" : name;
}

size_t axis_of(const OnnxNode& node, int64_t axis, size_t rank) {
  const auto axes = static_cast<int64_t>(rank) + 1;
  const int64_t place = axis < 0 ? axis + axes : axis;
  if (place < 1 || place >= axes) fail(node, "an axis is the batch, or not there");
  return static_cast<size_t>(place - 1);
}

Importer::Importer(const OnnxFile& file, OutputNames names)
    : file_(file), output_names_(std::move(names)) {
  for (const auto& reserved : {output_names_.ends, output_names_.copies}) {
    for (const std::string& output : reserved) names_.insert(keras_name(output));
  }
  for (const OnnxNode& node : file_.nodes) {
    for (const std::string& input : node.inputs) readers_[input].push_back(&node);
    for (const std::string& output : node.outputs) {
      if (!output.empty()) producers_[output] = &node;
    }
  }
  outputs_.insert(file_.outputs.begin(), file_.outputs.end());
  for (const auto& [name, constant] : file_.constants) may_make_ += constant.size();
  // In front of all others: some are looked for from nodes that come earlier in the file.
  for (const OnnxNode& node : file_.nodes) {
    if (node.op_type != "Constant" || !node.domain.empty() || node.outputs.empty()) continue;
    if (auto value = folded(*this, node)) add_constant(node.outputs[0], *std::move(value));
  }
}

void Importer::add_constant(const std::string& name, OnnxTensor value) {
  if (value.size() > may_make_) throw RuntimeError("its nodes make too many constants");
  may_make_ -= value.size();
  constants_[name] = std::move(value);
}

const OnnxNode* Importer::producer(const std::string& value) const {
  const auto it = producers_.find(value);
  return it == producers_.end() ? nullptr : it->second;
}

const OnnxNode* Importer::only_reader(const OnnxNode& node) const {
  if (node.outputs.empty() || outputs_.contains(node.outputs[0])) return nullptr;
  const auto it = readers_.find(node.outputs[0]);
  return it == readers_.end() || it->second.size() != 1 ? nullptr : it->second.front();
}

std::string Importer::layer_name(const std::string& base) {
  const std::string name = keras_name(base);
  constexpr size_t kMostLayers = 10000;  // as in Keras' JSON: their time grows with its square
  if (names_.size() >= kMostLayers) {
    throw RuntimeError(fmt::format("has more than {} layers", kMostLayers));
  }
  std::string unique = name;
  int& next = next_numbers_[name];
  while (!names_.insert(unique).second) unique = fmt::format("{}_{}", name, ++next);
  return unique;
}

std::string Importer::layer_name(const OnnxNode& node) {
  for (const std::string& output : node.outputs) {
    if (output_names_.ends.erase(output) > 0) return keras_name(output);
  }
  if (!node.name.empty()) return layer_name(node.name);
  std::string name = node.op_type;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return layer_name(name);
}

const OnnxTensor* Importer::constant(const OnnxNode& node, size_t input) const {
  if (!has_input(node, input)) return nullptr;
  const auto made = constants_.find(node.input(input));
  if (made != constants_.end()) return &made->second;
  const auto stored = file_.constants.find(node.input(input));
  return stored == file_.constants.end() ? nullptr : &stored->second;
}

std::optional<float> Importer::number(const OnnxNode& node, size_t input) const {
  const OnnxTensor* c = constant(node, input);
  if (c == nullptr || c->size() != 1 || c->is_whole()) return std::nullopt;
  return c->floats().front();
}

const OnnxTensor& Importer::required_constant(const OnnxNode& node, size_t input,
                                              const char* what) const {
  const OnnxTensor* found = constant(node, input);
  if (found == nullptr) fail(node, fmt::format("{} is no constant of the file", what));
  return *found;
}

std::vector<float> Importer::floats(const OnnxNode& node, size_t input, const char* what) const {
  const OnnxTensor& tensor = required_constant(node, input, what);
  return tensor.is_whole() ? as_floats(node, tensor.ints()) : tensor.floats();
}

Ints Importer::whole(const OnnxNode& node, size_t input, const char* what) const {
  const OnnxTensor& tensor = required_constant(node, input, what);
  if (!tensor.is_whole()) fail(node, fmt::format("{} is no list of whole numbers", what));
  return tensor.ints();
}

std::optional<Ints> Importer::ints_of(const OnnxNode& node, const char* attribute,
                                      size_t input) const {
  if (node.has(attribute)) return node.ints(attribute, {});
  if (!has_input(node, input)) return std::nullopt;
  return whole(node, input, attribute);
}

float Importer::scalar_or(const OnnxNode& node, size_t input, const char* attribute,
                          float otherwise) const {
  if (!has_input(node, input)) return node.number(attribute, otherwise);
  const std::vector<float> values = floats(node, input, attribute);
  if (values.size() != 1) fail(node, fmt::format("{} is not one number", attribute));
  return values.front();
}

const Value* Importer::find(const std::string& value) const {
  const auto it = values_.find(value);
  return it == values_.end() ? nullptr : &it->second;
}

const Value& Importer::raw_operand(const OnnxNode& node, size_t input) const {
  if (!has_input(node, input)) fail(node, fmt::format("input {} is missing", input));
  const auto missing = missing_.find(node.input(input));
  if (missing != missing_.end()) throw std::invalid_argument(missing->second);
  const Value* value = find(node.input(input));
  if (value == nullptr) {
    fail(node, fmt::format("input \"{}\" is a constant, or nothing before it gives it",
                           printable(node.input(input))));
  }
  static const std::set<std::string> kTakeIndices = {"Gather", "Cast", "Floor", "Identity"};
  if (value->is_index && !kTakeIndices.contains(node.op_type)) {
    fail(node, "its input was cut to whole numbers, which are for the rows of a table only");
  }
  return *value;
}

Value Importer::operand(const OnnxNode& node, size_t input) {
  return in_file_order(*this, raw_operand(node, input), node);
}

Value Importer::finished(const OnnxNode& node, const std::string& output, Value value) {
  if (output != node.outputs[0]) values_[output] = value;
  return value;
}

void Importer::append(const OnnxNode& node) {
  if (absorbed_.contains(&node)) return;
  if (!node.domain.empty()) {
    fail(node, fmt::format("the domain \"{}\" is somebody's own", printable(node.domain)));
  }
  if (node.outputs.empty() || constants_.contains(node.outputs[0])) return;
  // A part of something larger, which is a layer of ours, may be none itself; nor does it matter
  // what becomes of values that no output needs.
  const Operator add = find_operator(node.op_type);
  const auto missing = [&](std::string why) {
    for (const std::string& input : node.inputs) {  // which may be the reason
      const auto earlier = missing_.find(input);
      if (add != nullptr && earlier != missing_.end()) why = earlier->second;
    }
    for (const std::string& output : node.outputs) missing_[output] = why;
  };
  try {
    if (std::optional<OnnxTensor> constant = folded(*this, node)) {
      add_constant(node.outputs[0], *std::move(constant));
      return;
    }
    if (add == nullptr) fail(node, "Sluice has no layer for it");
    Value value = add(*this, node);
    values_[node.outputs[0]] = std::move(value);
  } catch (const ShapeError& error) {
    missing(fmt::format("{}: {}", node.who(), error.what()));
  } catch (const std::invalid_argument& error) {
    missing(error.what());
  }
}

void Importer::add_inputs() {
  for (const OnnxInput& input : file_.inputs) {
    if (std::ranges::any_of(input.dims, [](int64_t size) { return size < 1; })) {
      throw std::invalid_argument(
          fmt::format("input \"{}\": the file does not say how large each of its axes but the "
                      "batch is",
                      printable(input.name)));
    }
    if (input.batch) batch_ = input.batch;
    const Input layer(Shape(input.dims), {.name = layer_name(input.name)});
    inputs_.push_back(layer);
    values_[input.name] = {
        .tensor = inputs_.back(), .dims = input.dims, .order = natural(input.dims.size())};
  }
}

Model Importer::import() {
  constexpr int64_t kOldest = 7, kNewest = 22;
  if (file_.opset < kOldest || file_.opset > kNewest) {
    throw std::invalid_argument(
        fmt::format("is of opset {}; Sluice reads {} to {}", file_.opset, kOldest, kNewest));
  }
  add_inputs();
  for (const OnnxNode& node : file_.nodes) append(node);
  std::vector<SymbolicTensor> outputs;
  for (const std::string& name : file_.outputs) {
    const OnnxNode end{.op_type = "output", .name = name, .inputs = {name}};
    const Value value = operand(end, 0);
    const Order order = natural(value.dims.size());
    const bool is_natural = value.order == order;
    outputs.push_back(is_natural ? *value.tensor : permuted(value, order, layer_name(name)));
    if (output_names_.copies.contains(name)) {
      outputs.back() = Activation("linear", {.name = keras_name(name)})(outputs.back());
    }
  }
  Model model(inputs_, outputs, layer_name(file_.name.empty() ? "model" : file_.name));
  std::set<std::string> known;
  for (const auto& variable : model.parameters().layout().variables()) known.insert(variable.name);
  for (const auto& [name, values] : weights_) {
    if (known.contains(name)) model.set_weights(name, values);
  }
  return model;
}

namespace {

// Of a model of the file, those that have another name than there.
std::set<std::string> renamed(const OnnxFile& file, const Model& model) {
  std::set<std::string> outputs, names;
  const std::vector<std::string> ours = model.output_names();
  for (size_t k = 0; k < ours.size(); ++k) {
    const std::string name = keras_name(file.outputs[k]);
    if (!names.insert(name).second) return {};  // which two cannot have
    if (ours[k] != name) outputs.insert(file.outputs[k]);
  }
  return outputs;
}

}  // namespace

// Outputs are named after their layers. Which node's layer is the last is known only afterwards:
// some outputs still have to be put into the file's order of axes, and others are no node's own.
Model import_model(const OnnxFile& file) {
  Model model = Importer(file).import();
  OutputNames names{.ends = renamed(file, model)};
  if (names.ends.empty()) return model;
  model = Importer(file, names).import();
  names.copies = renamed(file, model);
  if (names.copies.empty()) return model;
  for (const std::string& copy : names.copies) names.ends.erase(copy);
  return Importer(file, names).import();
}

}  // namespace sluice::formats::onnx
