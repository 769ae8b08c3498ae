#include "formats/protobuf/onnx_nodes.h"

#include <fmt/core.h>

#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "onnx_subset.pb.h"
#include "sluice/errors.h"
#include "sluice/version.h"

namespace sluice::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX's bytes are little-endian");

constexpr int64_t kIrVersion = 8, kOpset = 17;
constexpr int kFloat = 1, kInt64 = 7;                           // TensorProto.DataType
constexpr int kAttributeTypes[] = {2, 1, 3, 7};                 // as in Attribute's variant
constexpr size_t kMostBytes = std::numeric_limits<int>::max();  // of a protobuf message
constexpr size_t kSmall = 256;  // bytes of constants that are shared

template <typename Number>
std::string raw_of(std::span<const Number> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

void set_type(onnx_subset::ValueInfo& info, const std::string& name, const OnnxNodes::Ints& shape) {
  info.set_name(name);
  onnx_subset::Type::Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(kFloat);
  tensor.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const int64_t size : shape) tensor.mutable_shape()->add_dim()->set_dim_value(size);
}

void set_attribute(onnx_subset::Attribute& to, const OnnxNodes::Attribute& from) {
  const auto& [name, value] = from;
  to.set_name(name);
  to.set_type(kAttributeTypes[value.index()]);
  if (const auto* i = std::get_if<int64_t>(&value)) to.set_i(*i);
  if (const auto* f = std::get_if<float>(&value)) to.set_f(*f);
  if (const auto* s = std::get_if<std::string>(&value)) to.set_s(*s);
  if (const auto* ints = std::get_if<OnnxNodes::Ints>(&value)) {
    for (const int64_t i : *ints) to.add_ints(i);
  }
}

}  // namespace

struct OnnxNodes::Proto {
  onnx_subset::Model model;
  onnx_subset::Graph& graph = *model.mutable_graph();
};

OnnxNodes::OnnxNodes(const std::string& name) : proto_(std::make_unique<Proto>()) {
  proto_->model.set_ir_version(kIrVersion);
  proto_->model.set_producer_name("sluice");
  proto_->model.set_producer_version(SLUICE_VERSION);
  proto_->model.add_opset_import()->set_version(kOpset);
  proto_->graph.set_name(name);
}

OnnxNodes::~OnnxNodes() = default;

void OnnxNodes::add_input(const std::string& name, const Ints& shape) {
  reserve(name);
  set_type(*proto_->graph.add_input(), name, shape);
}

void OnnxNodes::add_output(const std::string& name, const std::string& value, const Ints& shape) {
  set_type(*proto_->graph.add_output(), name, shape);
  // The value itself, unless it is an input or has another output's name already.
  auto& nodes = *proto_->graph.mutable_node();
  for (onnx_subset::Node& node : nodes) {
    if (node.output(0) != value) continue;
    renamed_[value] = name;
    node.set_output(0, name);
    for (onnx_subset::Node& other : nodes) {
      for (std::string& input : *other.mutable_input()) {
        if (input == value) input = name;
      }
    }
    return;
  }
  onnx_subset::Node& identity = *nodes.Add();
  identity.set_name(unique(name));
  identity.set_op_type("Identity");
  const auto renamed = renamed_.find(value);
  identity.add_input(renamed == renamed_.end() ? value : renamed->second);
  identity.add_output(name);
}

void OnnxNodes::begin_layer(const std::string& name) { layer_ = name; }

std::string OnnxNodes::unique(const std::string& name) {
  const auto [it, is_new] = names_.emplace(name, 0);
  if (is_new) return name;
  while (true) {
    std::string numbered = fmt::format("{}_{}", name, ++it->second);
    if (names_.emplace(numbered, 0).second) return numbered;
  }
}

std::string OnnxNodes::add_node(const std::string& op_type, const Names& inputs,
                                const std::vector<Attribute>& attributes) {
  const bool is_first = !names_.contains(layer_ + ":0");
  return add(is_first ? layer_ : unique(layer_ + "/" + op_type), op_type, inputs, attributes);
}

std::string OnnxNodes::add_conversion(const std::string& op_type, const Names& inputs,
                                      const std::vector<Attribute>& attributes) {
  return add(unique(layer_ + "/" + op_type), op_type, inputs, attributes);
}

std::string OnnxNodes::add(const std::string& name, const std::string& op_type, const Names& inputs,
                           const std::vector<Attribute>& attributes) {
  onnx_subset::Node& node = *proto_->graph.add_node();
  node.set_name(name);
  node.set_op_type(op_type);
  for (const std::string& input : inputs) node.add_input(input);
  for (const Attribute& attribute : attributes) set_attribute(*node.add_attribute(), attribute);
  std::string output = unique(node.name() + ":0");
  node.add_output(output);
  return output;
}

std::string OnnxNodes::tensor(const Ints& dims, int type, std::string raw) {
  std::string key;
  if (raw.size() <= kSmall) {
    key = fmt::format("{} {}:", type, dims.size());
    for (const int64_t size : dims) key += fmt::format("{},", size);
    key += raw;
    const auto known = constants_.find(key);
    if (known != constants_.end()) return known->second;
  }
  // Before protobuf is given what it cannot write: it would only find out at the end.
  constant_bytes_ += raw.size();
  if (constant_bytes_ > kMostBytes) {
    throw RuntimeError("the model has more than the 2 GiB of weights that an ONNX file may hold");
  }
  onnx_subset::Tensor& tensor = *proto_->graph.add_initializer();
  tensor.set_name(unique(layer_ + (type == kFloat ? "/weights" : "/sizes")));
  tensor.set_data_type(type);
  for (const int64_t size : dims) tensor.add_dims(size);
  tensor.set_raw_data(std::move(raw));
  if (!key.empty()) constants_.emplace(key, tensor.name());
  return tensor.name();
}

std::string OnnxNodes::floats(const Ints& dims, std::span<const float> values) {
  return tensor(dims, kFloat, raw_of(values));
}
std::string OnnxNodes::integers(const Ints& values) {
  return tensor({static_cast<int64_t>(values.size())}, kInt64,
                raw_of(std::span<const int64_t>(values)));
}
std::string OnnxNodes::integer(int64_t value) {
  return tensor({}, kInt64, raw_of(std::span<const int64_t>(&value, 1)));
}

std::string OnnxNodes::function(Function function, const std::string& x) {
  return add_node(name_of(function), {x});
}

std::string OnnxNodes::arithmetic(Arithmetic arithmetic, const std::string& a,
                                  const std::string& b) {
  static constexpr const char* kNames[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
  return add_node(kNames[static_cast<int>(arithmetic)], {a, b});
}

std::string OnnxNodes::where_greater(const std::string& x, float limit, const std::string& above,
                                     const std::string& below) {
  return add_node("Where", {add_node("Greater", {x, number(limit)}), above, below});
}

void OnnxNodes::add_metadata(const std::string& key, const std::string& value) {
  onnx_subset::Property& property = *proto_->model.add_metadata_props();
  property.set_key(key);
  property.set_value(value);
}

void OnnxNodes::remove_unused() {
  std::set<std::string> used;
  for (const auto& output : proto_->graph.output()) used.insert(output.name());
  auto& nodes = *proto_->graph.mutable_node();
  std::vector<bool> keeps(static_cast<size_t>(nodes.size()));
  for (int i = nodes.size(); i-- > 0;) {
    keeps[static_cast<size_t>(i)] = used.contains(nodes[i].output(0));
    if (!keeps[static_cast<size_t>(i)]) continue;
    used.insert(nodes[i].input().begin(), nodes[i].input().end());
  }
  int kept = 0;
  for (int i = 0; i < nodes.size(); ++i) {
    if (keeps[static_cast<size_t>(i)]) nodes.SwapElements(kept++, i);
  }
  nodes.DeleteSubrange(kept, nodes.size() - kept);
  auto& constants = *proto_->graph.mutable_initializer();
  int kept_constants = 0;
  for (int i = 0; i < constants.size(); ++i) {
    if (used.contains(constants[i].name())) constants.SwapElements(kept_constants++, i);
  }
  constants.DeleteSubrange(kept_constants, constants.size() - kept_constants);
}

std::string OnnxNodes::bytes() {
  remove_unused();
  if (proto_->model.ByteSizeLong() > kMostBytes) {
    throw RuntimeError("the model is larger than the 2 GiB that an ONNX file may have");
  }
  return proto_->model.SerializeAsString();
}

}  // namespace sluice::formats
