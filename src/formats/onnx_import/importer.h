// What has been made of an ONNX file so far, and what the functions that make layers of its nodes
// (operators.h) ask for: constants, values, neighbours in the graph, names.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "formats/onnx_file.h"
#include "formats/onnx_import/value.h"
#include "sluice/model.h"

namespace sluice::formats::onnx {

// Throws std::invalid_argument, which names the node.
[[noreturn]] void fail(const OnnxNode& node, const std::string& why);

bool has_input(const OnnxNode& node, size_t input);

// Refuses kBatch among them.
std::vector<float> as_floats(const OnnxNode& node, const Ints& values);

// The file's axis, counted from the batch and from behind where it is negative, without the batch.
// Refuses the batch, and axes that are not there.
size_t axis_of(const OnnxNode& node, int64_t axis, size_t rank);

// How outputs that would be called like another layer get their names: `ends` give them to their
// node's layer, `copies` to a layer of their own that changes nothing.
struct OutputNames {
  std::set<std::string> ends{}, copies{};
};

class Importer {
 public:
  // Stands for the number of samples, which no model knows, in shapes that are computed.
  static constexpr int64_t kBatch = std::numeric_limits<int64_t>::min() + 1;

  // The file must outlive this.
  explicit Importer(const OnnxFile& file, OutputNames names = {});

  Model import();

  int64_t opset() const { return file_.opset; }
  // The number of samples, where the file says it.
  std::optional<int64_t> batch() const { return batch_; }

  // --- Constants ---
  // nullptr: the input is none.
  const OnnxTensor* constant(const OnnxNode& node, size_t input) const;
  // What one of a single element is; nullopt: it is whole, or not a constant of one.
  std::optional<float> number(const OnnxNode& node, size_t input) const;
  // Those that follow refuse another input; `what` is its name in the message.
  const OnnxTensor& required_constant(const OnnxNode& node, size_t input, const char* what) const;
  std::vector<float> floats(const OnnxNode& node, size_t input, const char* what) const;
  Ints whole(const OnnxNode& node, size_t input, const char* what) const;
  // An attribute of old opsets that is an input of new ones.
  std::optional<Ints> ints_of(const OnnxNode& node, const char* attribute, size_t input) const;
  float scalar_or(const OnnxNode& node, size_t input, const char* attribute, float otherwise) const;

  // --- Values ---
  // With its elements in the file's order.
  Value operand(const OnnxNode& node, size_t input);
  // As it lies: a row may be an image's elements in another order.
  const Value& raw_operand(const OnnxNode& node, size_t input) const;
  const Value* find(const std::string& value) const;
  // The value of another output than the node's first, or of a later node.
  void set_value(const std::string& name, Value value) { values_[name] = std::move(value); }

  // --- The graph around a node ---
  const OnnxNode* producer(const std::string& value) const;
  // The node that alone takes what this one gives, or nullptr.
  const OnnxNode* only_reader(const OnnxNode& node) const;
  // Marks a node as done, as a part of another one's layer.
  void absorb(const OnnxNode& node) { absorbed_.insert(&node); }
  // The value of `node`'s first output also as that of `output`, of the last node that it absorbed.
  Value finished(const OnnxNode& node, const std::string& output, Value value);

  // --- Layers ---
  // A layer's name: the node's, or that of the model's output which it gives; or one like it that
  // no layer has.
  std::string layer_name(const OnnxNode& node);
  std::string layer_name(const std::string& base);
  // "layer/weight", as ParameterSet names them. Their number is checked at the end.
  void set_weight(const std::string& name, std::vector<float> values) {
    weights_.emplace_back(name, std::move(values));
  }

 private:
  // Of a node. Throws RuntimeError when nodes make many times what the file holds.
  void add_constant(const std::string& name, OnnxTensor value);
  void add_inputs();
  void append(const OnnxNode& node);

  const OnnxFile& file_;
  OutputNames output_names_;                     // whose `ends` are still to come
  std::map<std::string, OnnxTensor> constants_;  // that nodes make
  std::map<std::string, Value> values_;
  std::map<std::string, std::vector<const OnnxNode*>> readers_;
  std::map<std::string, const OnnxNode*> producers_;
  std::set<const OnnxNode*> absorbed_;
  size_t may_make_ = size_t{1} << 22;  // numbers, more as the file has more itself
  std::set<std::string> outputs_, names_;
  std::map<std::string, int> next_numbers_;  // of names that occur again
  // Of values that no layer gives: why, for whoever needs them after all.
  std::map<std::string, std::string> missing_;
  std::vector<std::pair<std::string, std::vector<float>>> weights_;
  std::vector<SymbolicTensor> inputs_;
  std::optional<int64_t> batch_;
};

// The model of a file, whose outputs have the names that they have there.
Model import_model(const OnnxFile& file);

}  // namespace sluice::formats::onnx
