#include "formats/protobuf/tensorflow_nodes.h"

#include <fmt/core.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <bit>
#include <cctype>
#include <limits>

#include "sluice/errors.h"
#include "tensorflow_subset.pb.h"

namespace sluice::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "TensorFlow's bytes are little-endian");

// GraphDef's version of TensorFlow 2.11, and the oldest program that may read it: of all operations
// used here SelectV2 is the youngest, of 1.14.
constexpr int kProducer = 1286, kMinConsumer = 22;
constexpr size_t kMostBytes = std::numeric_limits<int>::max();  // of a protobuf message
constexpr size_t kSmall = 256;  // bytes of constants that are shared

// What TensorFlow allows in a node's name.
std::string node_name(const std::string& name) {
  std::string result;
  for (const char c : name) {
    const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ||
                      (!result.empty() && (c == '_' || c == '-' || c == '/'));
    result += fits ? c : result.empty() ? '.' : '_';
  }
  return result.empty() ? "." : result;
}

void set_shape(tensorflow_subset::TensorShape& to, const TensorflowNodes::Ints& dims) {
  for (const int64_t size : dims) to.add_dim()->set_size(size);
}

TensorflowNodes::Ints with_batch(TensorflowNodes::Ints shape) {
  shape.insert(shape.begin(), -1);
  return shape;
}

void set_attribute(tensorflow_subset::AttrValue& to, const TensorflowNodes::Attribute& from) {
  const auto& value = from.second;
  if (const auto* i = std::get_if<int64_t>(&value)) to.set_i(*i);
  if (const auto* f = std::get_if<float>(&value)) to.set_f(*f);
  if (const auto* b = std::get_if<bool>(&value)) to.set_b(*b);
  if (const auto* s = std::get_if<std::string>(&value)) to.set_s(*s);
  if (const auto* type = std::get_if<TensorflowNodes::Type>(&value)) {
    to.set_type(static_cast<int>(*type));
  }
  if (const auto* ints = std::get_if<TensorflowNodes::Ints>(&value)) {
    for (const int64_t i : *ints) to.mutable_list()->add_i(i);
  }
}

}  // namespace

struct TensorflowNodes::Proto {
  tensorflow_subset::SavedModel model;
  tensorflow_subset::MetaGraphDef& meta = *model.add_meta_graphs();
  tensorflow_subset::GraphDef& graph = *meta.mutable_graph_def();
  tensorflow_subset::SignatureDef& signature = (*meta.mutable_signature_def())["serving_default"];
};

TensorflowNodes::TensorflowNodes() : proto_(std::make_unique<Proto>()) {
  proto_->model.set_saved_model_schema_version(1);
  proto_->meta.mutable_meta_info_def()->add_tags("serve");
  proto_->graph.mutable_versions()->set_producer(kProducer);
  proto_->graph.mutable_versions()->set_min_consumer(kMinConsumer);
  proto_->signature.set_method_name("tensorflow/serving/predict");
}

TensorflowNodes::~TensorflowNodes() = default;

std::string TensorflowNodes::add_input(const std::string& name, const Ints& shape) {
  tensorflow_subset::NodeDef& node = *proto_->graph.add_node();
  node.set_name(unique(node_name("serving_default_" + name)));
  node.set_op("Placeholder");
  (*node.mutable_attr())["dtype"].set_type(static_cast<int>(Type::kFloat));
  set_shape(*(*node.mutable_attr())["shape"].mutable_shape(), with_batch(shape));
  tensorflow_subset::TensorInfo& info = (*proto_->signature.mutable_inputs())[name];
  info.set_name(node.name() + ":0");
  info.set_dtype(static_cast<int>(Type::kFloat));
  set_shape(*info.mutable_tensor_shape(), with_batch(shape));
  return node.name();
}

void TensorflowNodes::add_output(const std::string& name, const std::string& value,
                                 const Ints& shape) {
  tensorflow_subset::TensorInfo& info = (*proto_->signature.mutable_outputs())[name];
  info.set_name(add(unique(node_name("output_" + name)), "Identity", {value}, {}) + ":0");
  info.set_dtype(static_cast<int>(Type::kFloat));
  set_shape(*info.mutable_tensor_shape(), with_batch(shape));
}

void TensorflowNodes::begin_layer(const std::string& name) { layer_ = node_name(name); }

std::string TensorflowNodes::unique(const std::string& name) {
  const auto [it, is_new] = names_.emplace(name, 0);
  if (is_new) return name;
  while (true) {
    std::string numbered = fmt::format("{}_{}", name, ++it->second);
    if (names_.emplace(numbered, 0).second) return numbered;
  }
}

std::string TensorflowNodes::add_node(const std::string& op, const Names& inputs,
                                      const std::vector<Attribute>& attributes) {
  return add(unique(names_.contains(layer_) ? layer_ + "/" + op : layer_), op, inputs, attributes);
}

std::string TensorflowNodes::add_conversion(const std::string& op, const Names& inputs,
                                            const std::vector<Attribute>& attributes) {
  return add(unique(layer_ + "/" + op), op, inputs, attributes);
}

std::string TensorflowNodes::add(const std::string& name, const std::string& op,
                                 const Names& inputs, const std::vector<Attribute>& attributes) {
  tensorflow_subset::NodeDef& node = *proto_->graph.add_node();
  node.set_name(name);
  node.set_op(op);
  for (const std::string& input : inputs) node.add_input(input);
  auto& to = *node.mutable_attr();
  if (op != "Cast") to["T"].set_type(static_cast<int>(Type::kFloat));
  for (const Attribute& attribute : attributes) set_attribute(to[attribute.first], attribute);
  if (op == "GatherV2") to.erase("T");
  return name;
}

std::string TensorflowNodes::reshape(const std::string& x, const Ints& dims) {
  return add_conversion("Reshape", {x, integers(dims)}, {{"Tshape", Type::kInt32}});
}

std::string TensorflowNodes::tensor(const Ints& dims, Type type, std::string content) {
  std::string key;
  if (content.size() <= kSmall) {
    key = fmt::format("{} {}:", static_cast<int>(type), dims.size());
    for (const int64_t size : dims) key += fmt::format("{},", size);
    key += content;
    const auto known = constants_.find(key);
    if (known != constants_.end()) return known->second;
  }
  // Before protobuf is given what it cannot write: it would only find out at the end.
  constant_bytes_ += content.size();
  if (constant_bytes_ > kMostBytes) {
    throw RuntimeError(
        "the model has more than the 2 GiB of weights that a SavedModel's graph may hold");
  }
  tensorflow_subset::NodeDef& node = *proto_->graph.add_node();
  node.set_name(unique(layer_ + (type == Type::kFloat ? "/weights" : "/sizes")));
  node.set_op("Const");
  (*node.mutable_attr())["dtype"].set_type(static_cast<int>(type));
  tensorflow_subset::Tensor& tensor = *(*node.mutable_attr())["value"].mutable_tensor();
  tensor.set_dtype(static_cast<int>(type));
  set_shape(*tensor.mutable_tensor_shape(), dims);
  tensor.set_tensor_content(std::move(content));
  if (!key.empty()) constants_.emplace(key, node.name());
  return node.name();
}

std::string TensorflowNodes::floats(const Ints& dims, std::span<const float> values) {
  return tensor(dims, Type::kFloat,
                {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

std::string TensorflowNodes::integers(const Ints& values) {
  return reshaped_integers({static_cast<int64_t>(values.size())}, values);
}

std::string TensorflowNodes::reshaped_integers(const Ints& dims, const Ints& values) {
  std::vector<int32_t> narrow;
  for (const int64_t value : values) narrow.push_back(static_cast<int32_t>(value));
  return tensor(dims, Type::kInt32,
                {reinterpret_cast<const char*>(narrow.data()), narrow.size() * sizeof(int32_t)});
}

std::string TensorflowNodes::integer(int64_t value) {
  const auto narrow = static_cast<int32_t>(value);
  return tensor({}, Type::kInt32, {reinterpret_cast<const char*>(&narrow), sizeof(narrow)});
}

std::string TensorflowNodes::function(Function function, const std::string& x) {
  return add_node(name_of(function), {x});
}

std::string TensorflowNodes::arithmetic(Arithmetic arithmetic, const std::string& a,
                                        const std::string& b) {
  static constexpr const char* kNames[] = {"AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum"};
  return add_node(kNames[static_cast<int>(arithmetic)], {a, b});
}

std::string TensorflowNodes::where_greater(const std::string& x, float limit,
                                           const std::string& above, const std::string& below) {
  return add_node("SelectV2", {add_node("Greater", {x, number(limit)}), above, below});
}

std::string TensorflowNodes::bytes() {
  if (proto_->model.ByteSizeLong() > kMostBytes) {
    throw RuntimeError("the model is larger than the 2 GiB that a SavedModel's graph may have");
  }
  // One model is one file: of its own accord protobuf has a map's entries in any order.
  std::string file;
  google::protobuf::io::StringOutputStream stream(&file);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  proto_->model.SerializeToCodedStream(&out);
  out.Trim();
  return file;
}

}  // namespace sluice::formats
