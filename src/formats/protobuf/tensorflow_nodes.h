// A graph of TensorFlow in the making, for a SavedModel: nodes, constants and names, in protobuf
// only inside.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "formats/elementwise.h"

namespace sluice::formats {

class TensorflowNodes final : public ElementwiseNodes {
 public:
  using Ints = std::vector<int64_t>;
  enum class Type { kFloat = 1, kInt32 = 3 };  // tensorflow/core/framework/types.proto
  using Attribute =
      std::pair<std::string, std::variant<int64_t, float, bool, std::string, Ints, Type>>;
  using Names = std::vector<std::string>;

  TensorflowNodes();
  ~TensorflowNodes() override;

  // Of the signature; shapes are without the batch. An input's value is returned.
  std::string add_input(const std::string& name, const Ints& shape);
  void add_output(const std::string& name, const std::string& value, const Ints& shape);

  // The nodes that follow belong to this layer: the first has its name.
  void begin_layer(const std::string& name);
  // Appends a node whose first output is returned; "T", what it computes in, is float.
  std::string add_node(const std::string& op, const Names& inputs,
                       const std::vector<Attribute>& attributes = {});
  // Likewise, of what only prepares a value for a layer, whose name it does not take.
  std::string add_conversion(const std::string& op, const Names& inputs,
                             const std::vector<Attribute>& attributes = {});
  // The same elements in rows of this shape.
  std::string reshape(const std::string& x, const Ints& dims);
  // Constants; equal small ones are one.
  std::string floats(const Ints& dims, std::span<const float> values);
  std::string integers(const Ints& values);
  std::string reshaped_integers(const Ints& dims, const Ints& values);
  std::string integer(int64_t value);

  using ElementwiseNodes::add;
  std::string function(Function function, const std::string& x) override;
  std::string arithmetic(Arithmetic arithmetic, const std::string& a,
                         const std::string& b) override;
  std::string number(float value) override { return floats({}, {&value, 1}); }
  std::string where_greater(const std::string& x, float limit, const std::string& above,
                            const std::string& below) override;

  // saved_model.pb. Throws RuntimeError when it would be larger than protobuf allows.
  std::string bytes();

 private:
  struct Proto;

  std::string add(const std::string& name, const std::string& op, const Names& inputs,
                  const std::vector<Attribute>& attributes);
  std::string unique(const std::string& name);
  std::string tensor(const Ints& dims, Type type, std::string content);

  std::unique_ptr<Proto> proto_;
  std::string layer_;
  std::map<std::string, int> names_;  // and the last number behind each
  std::map<std::string, std::string> constants_;
  size_t constant_bytes_ = 0;
};

}  // namespace sluice::formats
