// Makes layers of the nodes of an ONNX file, one after another.
//
// A value of the file is a value of the model whose axes may come in another order: transpositions
// only change that order, and where a layer needs another one than there is, a Permute is put in
// front of it.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "formats/onnx_file.h"
#include "sluice/activations.h"
#include "sluice/layer.h"
#include "sluice/layers/border2d.h"
#include "sluice/layers/size2d.h"
#include "sluice/model.h"

namespace sluice::formats {

class OnnxImporter {
 public:
  explicit OnnxImporter(OnnxFile file) : file_(std::move(file)) {}

  Model import();

 private:
  using Ints = std::vector<int64_t>;
  using Order = std::vector<int>;
  using Names = std::vector<std::string>;
  // Stands for the number of samples, which no model knows, in shapes that are computed.
  static constexpr int64_t kBatch = std::numeric_limits<int64_t>::min() + 1;

  struct Value {
    std::optional<SymbolicTensor> tensor{};
    Ints dims{};    // as the file has them, without the batch
    Order order{};  // axis k of the file is axis order[k] of the tensor, without the batch

    // A row that was an image: the tensor has the image's elements in its own order, whose axes
    // were these. Rows of a kernel can be taken in that order as well.
    std::optional<std::pair<Ints, Order>> image{};
    std::optional<SymbolicTensor> pooled{};  // of a global pooling: the same without axes of size 1
    bool is_positive = false;                // no element is below 0
  };
  struct Windows {
    Ints kernel{}, strides{}, dilations{}, before{}, after{};
  };
  using Handler = Value (OnnxImporter::*)(const OnnxNode&);
  static const std::map<std::string, Handler>& handlers();

  // --- Windows on images, normalization, products (onnx_import_windows.cc) ---
  Value conv(const OnnxNode& node);
  Value conv_transpose(const OnnxNode& node);
  Value pool(const OnnxNode& node);
  Value global_pool(const OnnxNode& node);
  Value batch_normalization(const OnnxNode& node);
  Value instance_normalization(const OnnxNode& node);
  Value layer_normalization(const OnnxNode& node);
  Value gemm(const OnnxNode& node);
  Value matmul(const OnnxNode& node);
  Value resize(const OnnxNode& node);
  Value gather(const OnnxNode& node);

  // --- Element by element (onnx_import_elementwise.cc) ---
  Value activation(const OnnxNode& node);
  Value softmax(const OnnxNode& node);
  Value prelu(const OnnxNode& node);
  Value erf(const OnnxNode& node);
  Value clip(const OnnxNode& node);
  Value binary(const OnnxNode& node);
  Value merge(const OnnxNode& node);
  Value negative(const OnnxNode& node);
  Value identity(const OnnxNode& node) { return raw_operand(node, 0); }

  // --- Shapes (onnx_import_shapes.cc) ---
  Value reshape(const OnnxNode& node);
  Value flatten(const OnnxNode& node);
  Value squeeze(const OnnxNode& node);
  Value transpose(const OnnxNode& node);
  Value concat(const OnnxNode& node);
  Value slice(const OnnxNode& node);
  Value split(const OnnxNode& node);
  Value pad(const OnnxNode& node);
  Value expand(const OnnxNode& node);
  Value reduce_mean(const OnnxNode& node);

  // --- Constants (onnx_import_constants.cc) ---
  // What a node of constants comes to; nullopt: it is none.
  std::optional<OnnxTensor> folded(const OnnxNode& node);
  std::optional<OnnxTensor> folded_sizes(const OnnxNode& node, const OnnxTensor& x);
  std::optional<OnnxTensor> sliced_sizes(const OnnxNode& node, const OnnxTensor& x);
  OnnxTensor shape_of(const OnnxNode& node);

  [[noreturn]] static void fail(const OnnxNode& node, const std::string& why);
  const OnnxTensor* constant(const OnnxNode& node, size_t input) const;
  const OnnxTensor& required_constant(const OnnxNode& node, size_t input, const char* what) const;
  std::vector<float> floats(const OnnxNode& node, size_t input, const char* what) const;
  Ints whole(const OnnxNode& node, size_t input, const char* what) const;
  // An attribute of old opsets that is an input of new ones.
  std::optional<Ints> ints_of(const OnnxNode& node, const char* attribute, size_t input) const;
  float scalar_or(const OnnxNode& node, size_t input, const char* attribute, float otherwise) const;
  // With its elements in the file's order.
  Value operand(const OnnxNode& node, size_t input);
  const Value& raw_operand(const OnnxNode& node, size_t input) const;
  static bool has_input(const OnnxNode& node, size_t input);

  // A layer's name: the node's, or one like it that no layer has.
  std::string layer_name(const OnnxNode& node);
  std::string layer_name(std::string base);
  void set_weight(const std::string& name, std::vector<float> values) {
    weights_.emplace_back(name, std::move(values));
  }
  // The node that alone takes what this one gives, or nullptr.
  const OnnxNode* only_reader(const OnnxNode& node) const;
  // An activation that belongs to the node by its name, and is then done.
  ActivationFunction absorbed_activation(const OnnxNode& node, size_t rank, std::string* output);
  std::optional<ActivationFunction> elementwise(const OnnxNode& node) const;
  // Marks a node as done whose value is another's.
  void absorb(const OnnxNode& node) { absorbed_.insert(&node); }
  // The value of `node`'s first output also as that of the last node that it has absorbed.
  Value finished(const OnnxNode& node, const std::string& output, Value value);

  static Order natural(size_t rank);
  static Order channels_last(size_t rank);
  static std::vector<float> reordered(const std::vector<float>& x, const Ints& dims,
                                      const Order& order);
  SymbolicTensor arranged(const Value& value, const Order& order, const OnnxNode& node);
  Value in_file_order(Value value, const OnnxNode& node);
  Value reshaped(Value value, const Ints& dims, const OnnxNode& node);
  Value flattened(Value value, const OnnxNode& node);
  Value after(const Value& value, SymbolicTensor tensor) const;
  Windows windows_of(const OnnxNode& node, const Ints& kernel, const Ints& image) const;
  // An image [H, W, C], or a row [L, C] as one of height 1.
  SymbolicTensor image_of(const Value& value, const OnnxNode& node);
  Value from_image(SymbolicTensor tensor, size_t rank, const OnnxNode& node);
  SymbolicTensor padded(SymbolicTensor image, const Windows& windows, const std::string& name);
  std::string padding_of(const Windows& windows, const Ints& image) const;
  Value dense(const OnnxNode& node, std::vector<float> kernel, int64_t units,
              std::optional<std::vector<float>> bias, std::string output);
  Value with_last(Value x, size_t axis, const OnnxNode& node);
  SymbolicTensor max_pool_with_border(const OnnxNode& node, SymbolicTensor image,
                                      const Windows& windows, const Ints& counts);
  Value pooled_over(const OnnxNode& node, const Value& x, const std::set<size_t>& axes, bool is_max,
                    bool keeps);
  Value enlarged(Value x, const Ints& factors, const std::string& interpolation,
                 const OnnxNode& node);
  Value normalized(const OnnxNode& node);
  const OnnxTensor* next_weights(const OnnxNode** last, const char* op, const Ints& dims);
  Value bordered(Value value, const std::vector<Border1D>& borders, const OnnxNode& node);
  Value scaled(Value x, const OnnxNode& node, const OnnxTensor& c, char operation);
  Value clipped(const Value& x, const OnnxNode& node, float least, float most);
  std::optional<Value> group_normalization(const OnnxNode& node, const Value& x);
  std::optional<Value> self_gated(const OnnxNode& node);
  std::optional<Value> embedding_with_borders(const OnnxNode& node, const OnnxTensor& table);
  void align(Value& value, size_t rank, const OnnxNode& node);
  const OnnxNode* producer(const std::string& value) const;
  SymbolicTensor add_activation(const OnnxNode& node, ActivationFunction f, SymbolicTensor x);

  void append(const OnnxNode& node);
  void index();

  const OnnxFile file_;
  std::map<std::string, OnnxTensor> constants_;  // that nodes make
  std::map<std::string, Value> values_;
  std::map<std::string, std::vector<const OnnxNode*>> readers_;
  std::map<std::string, const OnnxNode*> producers_;
  std::set<const OnnxNode*> absorbed_;
  std::set<std::string> outputs_, names_;
  // Of values that no layer gives: why, for whoever needs them after all.
  std::map<std::string, std::string> missing_;
  std::vector<std::pair<std::string, std::vector<float>>> weights_;
  std::optional<int64_t> batch_;
};

}  // namespace sluice::formats
