// A graph of ONNX in the making: nodes, constants and names, in protobuf only inside.
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

class OnnxNodes final : public ElementwiseNodes {
 public:
  using Ints = std::vector<int64_t>;
  using Attribute = std::pair<std::string, std::variant<int64_t, float, std::string, Ints>>;
  using Names = std::vector<std::string>;

  // `inputs` and `outputs`: the graph's. Shapes are without the batch.
  explicit OnnxNodes(const std::string& name);
  ~OnnxNodes() override;

  void add_input(const std::string& name, const Ints& shape);
  // The value becomes an output of this name, which no other value may have.
  void add_output(const std::string& name, const std::string& value, const Ints& shape);
  // Values that are made from now on never have this name, or the numbered one that is returned
  // where it is taken.
  std::string reserve(const std::string& name) { return unique(name); }

  using ElementwiseNodes::add;
  // The nodes that follow belong to this layer: the first has its name.
  void begin_layer(const std::string& name);
  // Appends a node of one output, which is returned.
  std::string add_node(const std::string& op_type, const Names& inputs,
                       const std::vector<Attribute>& attributes = {});
  // Likewise, of what only prepares a value for a layer, whose name it does not take.
  std::string add_conversion(const std::string& op_type, const Names& inputs,
                             const std::vector<Attribute>& attributes = {});
  // Constants; equal small ones are one.
  std::string floats(const Ints& dims, std::span<const float> values);
  std::string integers(const Ints& values);
  std::string integer(int64_t value);

  std::string function(Function function, const std::string& x) override;
  std::string arithmetic(Arithmetic arithmetic, const std::string& a,
                         const std::string& b) override;
  std::string number(float value) override { return floats({}, {&value, 1}); }
  std::string where_greater(const std::string& x, float limit, const std::string& above,
                            const std::string& below) override;

  void add_metadata(const std::string& key, const std::string& value);
  // The file, without what no output needs. Throws RuntimeError when it would be larger than
  // protobuf allows.
  std::string bytes();

 private:
  struct Proto;

  std::string add(const std::string& name, const std::string& op_type, const Names& inputs,
                  const std::vector<Attribute>& attributes);
  std::string unique(const std::string& name);
  std::string tensor(const Ints& dims, int type, std::string raw);
  void remove_unused();

  std::unique_ptr<Proto> proto_;
  std::string layer_;
  std::map<std::string, int> names_;  // and the last number behind each
  std::map<std::string, std::string> constants_, renamed_;
  size_t constant_bytes_ = 0;
};

}  // namespace sluice::formats
