#include "formats/onnx_file.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <type_traits>
#include <utility>

#include "core/short_float.h"
#include "formats/external_data.h"
#include "onnx_subset.pb.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Ints = OnnxNode::Ints;

struct Half {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

// Elements of a type, one after another in memory, as ours.
template <typename From, typename To>
std::vector<To> converted(const std::string& raw) {
  std::vector<To> values(raw.size() / sizeof(From));
  for (size_t i = 0; i < values.size(); ++i) {
    From element;
    std::memcpy(&element, raw.data() + i * sizeof(From), sizeof(From));
    if constexpr (std::is_same_v<From, Half>) {
      values[i] = core::from_half(element.bits);
    } else if constexpr (std::is_same_v<From, Bfloat16>) {
      values[i] = core::from_bfloat16(element.bits);
    } else {
      values[i] = static_cast<To>(element);
    }
  }
  return values;
}

// TensorProto.DataType: what is stored, how large one is, and how raw bytes and fields are read.
class TensorReader {
 public:
  TensorReader(const onnx_subset::Tensor& tensor, ExternalData& external)
      : tensor_(tensor), external_(external), count_(count_of(tensor)) {}

  OnnxTensor read() {
    OnnxTensor result{{tensor_.dims().begin(), tensor_.dims().end()}, {}};
    switch (tensor_.data_type()) {
      case 1:
        result.values = take<float, float>(tensor_.float_data());
        break;
      case 2:
        result.values = take<uint8_t, int64_t>(tensor_.int32_data());
        break;
      case 3:
        result.values = take<int8_t, int64_t>(tensor_.int32_data());
        break;
      case 6:
        result.values = take<int32_t, int64_t>(tensor_.int32_data());
        break;
      case 7:
        result.values = take<int64_t, int64_t>(tensor_.int64_data());
        break;
      case 9:
        result.values = take<uint8_t, int64_t>(tensor_.int32_data());
        break;
      case 10:
        result.values = take_short<Half>();
        break;
      case 11:
        result.values = take<double, float>(tensor_.double_data());
        break;
      case 16:
        result.values = take_short<Bfloat16>();
        break;
      default:
        fail(fmt::format("is of type {}, which Sluice does not read", tensor_.data_type()));
    }
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw RuntimeError(fmt::format("the constant \"{}\" {}", printable(tensor_.name()), what));
  }

  size_t count_of(const onnx_subset::Tensor& tensor) const {
    constexpr int kMostAxes = 16;
    constexpr size_t kMost = size_t{1} << 40;
    if (tensor.dims_size() > kMostAxes) fail("has too many axes");
    size_t count = 1;
    bool is_empty = false;
    for (const int64_t size : tensor.dims()) {
      if (size < 0) fail("has a negative size");
      is_empty |= size == 0;
      if (size == 0) continue;
      if (static_cast<size_t>(size) > kMost / count) fail("is too large");
      count *= static_cast<size_t>(size);
    }
    return is_empty ? 0 : count;
  }

  std::string bytes_of(size_t bytes) const {
    constexpr int kExternal = 1;
    if (tensor_.data_location() != kExternal) return tensor_.raw_data();
    std::string location;
    uint64_t offset = 0, length = bytes;
    for (const auto& entry : tensor_.external_data()) {
      if (entry.key() == "location") location = entry.value();
      uint64_t* number = entry.key() == "offset"   ? &offset
                         : entry.key() == "length" ? &length
                                                   : nullptr;
      if (number == nullptr) continue;
      const char* end = entry.value().data() + entry.value().size();
      const auto [stop, error] = std::from_chars(entry.value().data(), end, *number);
      if (error != std::errc() || stop != end)
        fail("has a place in another file that is no number");
    }
    if (length != bytes) {
      fail(fmt::format("is {} bytes of another file, where its shape needs {}", length, bytes));
    }
    return external_.read(location, offset, length);
  }

  template <typename From>
  std::string raw() const {
    const std::string bytes = bytes_of(count_ * sizeof(From));
    if (bytes.size() != count_ * sizeof(From)) {
      fail(fmt::format("has {} bytes, where its shape needs {}", bytes.size(),
                       count_ * sizeof(From)));
    }
    return bytes;
  }

  bool is_raw() const { return !tensor_.raw_data().empty() || tensor_.data_location() == 1; }

  template <typename Field>
  void check_count(const Field& field) const {
    if (static_cast<size_t>(field.size()) == count_) return;
    fail(fmt::format("has {} numbers, where its shape needs {}", field.size(), count_));
  }

  template <typename From, typename To, typename Field>
  std::vector<To> take(const Field& field) const {
    if (is_raw()) return converted<From, To>(raw<From>());
    check_count(field);
    std::vector<To> values;
    values.reserve(count_);
    for (const auto value : field) values.push_back(static_cast<To>(value));
    return values;
  }

  template <typename From>
  std::vector<float> take_short() const {
    if (is_raw()) return converted<From, float>(raw<From>());
    check_count(tensor_.int32_data());
    std::string bytes;
    for (const int32_t value : tensor_.int32_data()) {
      const auto bits = static_cast<uint16_t>(value);
      bytes.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
    }
    return converted<From, float>(bytes);
  }

  const onnx_subset::Tensor& tensor_;
  ExternalData& external_;
  const size_t count_;
};

OnnxNode read_node(const onnx_subset::Node& from, ExternalData& external) {
  OnnxNode node{.op_type = from.op_type(),
                .name = from.name(),
                .domain = from.domain() == "ai.onnx" ? "" : from.domain(),
                .inputs = {from.input().begin(), from.input().end()},
                .outputs = {from.output().begin(), from.output().end()}};
  enum Type { kFloat = 1, kInt, kString, kTensor, kGraph, kFloats, kInts };
  for (const onnx_subset::Attribute& attribute : from.attribute()) {
    auto& to = node.attributes[attribute.name()];
    switch (attribute.type()) {
      case kFloat:
        to = attribute.f();
        break;
      case kInt:
        to = attribute.i();
        break;
      case kTensor:
        to = TensorReader(attribute.t(), external).read();
        break;
      case kFloats:
        to = std::vector<float>(attribute.floats().begin(), attribute.floats().end());
        break;
      case kInts:
        to = Ints(attribute.ints().begin(), attribute.ints().end());
        break;
      default:
        to = attribute.s();
    }
  }
  return node;
}

OnnxInput read_input(const onnx_subset::ValueInfo& from) {
  OnnxInput input{.name = from.name()};
  const onnx_subset::Type::Tensor& type = from.type().tensor_type();
  constexpr int kMostAxes = 16;
  if (type.shape().dim_size() < 1 || type.shape().dim_size() > kMostAxes) {
    throw RuntimeError(
        fmt::format("the input \"{}\" has no shape with a batch", printable(input.name)));
  }
  for (const auto& dim : type.shape().dim()) {
    const bool is_said = dim.value_case() == onnx_subset::TensorShape::Dimension::kDimValue;
    input.dims.push_back(is_said ? dim.dim_value() : -1);
  }
  if (input.dims.front() > 0) input.batch = input.dims.front();
  input.dims.erase(input.dims.begin());
  return input;
}

template <typename Wanted>
Wanted attribute_or(const OnnxNode& node, const std::string& name, const Wanted& otherwise) {
  const auto it = node.attributes.find(name);
  if (it == node.attributes.end()) return otherwise;
  if (const auto* value = std::get_if<Wanted>(&it->second)) return *value;
  throw RuntimeError(
      fmt::format("{}: the attribute \"{}\" is of another type", node.who(), printable(name)));
}

}  // namespace

std::string printable(const std::string& name) {
  constexpr size_t kMost = 100;
  std::string text;
  for (const char c : name.substr(0, kMost)) {
    text += static_cast<unsigned char>(c - 0x20) < 0x5f ? c : '?';  // ASCII: the rest may be none
  }
  return text + (name.size() > kMost ? "..." : "");
}

int64_t OnnxNode::integer(const std::string& attribute, int64_t otherwise) const {
  return attribute_or(*this, attribute, otherwise);
}
float OnnxNode::number(const std::string& attribute, float otherwise) const {
  return attribute_or(*this, attribute, otherwise);
}
std::string OnnxNode::text(const std::string& attribute, const std::string& otherwise) const {
  return attribute_or(*this, attribute, otherwise);
}
OnnxNode::Ints OnnxNode::ints(const std::string& attribute, const Ints& otherwise) const {
  return attribute_or(*this, attribute, otherwise);
}

std::string OnnxNode::who() const {
  if (name.empty() && !outputs.empty()) {
    return fmt::format("operator {} that gives \"{}\"", printable(op_type), printable(outputs[0]));
  }
  return fmt::format("operator {} of node \"{}\"", printable(op_type), printable(name));
}

OnnxFile read_onnx_file(std::span<const char> file, const std::string& folder) {
  onnx_subset::Model model;
  if (file.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(file.data(), static_cast<int>(file.size())) || !model.has_graph() ||
      model.opset_import_size() == 0) {
    throw RuntimeError("is no ONNX file, or damaged");
  }
  const onnx_subset::Graph& graph = model.graph();
  OnnxFile result{.name = graph.name()};
  ExternalData external(folder);
  for (const auto& opset : model.opset_import()) {
    if (opset.domain().empty() || opset.domain() == "ai.onnx") result.opset = opset.version();
  }
  for (const auto& tensor : graph.initializer()) {
    result.constants[tensor.name()] = TensorReader(tensor, external).read();
  }
  for (const auto& node : graph.node()) {
    result.nodes.push_back(read_node(node, external));
    if (node.output_size() > 0) continue;
    throw RuntimeError(fmt::format("{} gives nothing", result.nodes.back().who()));
  }
  for (const auto& input : graph.input()) {
    if (!result.constants.contains(input.name())) result.inputs.push_back(read_input(input));
  }
  for (const auto& output : graph.output()) result.outputs.push_back(output.name());
  for (const auto& property : model.metadata_props()) {
    result.metadata[property.key()] = property.value();
  }
  result.external_files = external.files();
  return result;
}

}  // namespace sluice::formats
