// What an ONNX file holds, without what Sluice does not look at. Nothing in it has been trusted:
// numbers are as many as their shapes say, names are whatever they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace sluice::formats {

// A name from a file as messages show it: short, and in one line.
std::string printable(const std::string& name);

// A constant: floats, or whole numbers.
struct OnnxTensor {
  std::vector<int64_t> dims{};
  std::variant<std::vector<float>, std::vector<int64_t>> values{};

  bool is_whole() const { return values.index() == 1; }
  const std::vector<float>& floats() const { return std::get<0>(values); }
  const std::vector<int64_t>& ints() const { return std::get<1>(values); }
  size_t size() const { return is_whole() ? ints().size() : floats().size(); }
};

struct OnnxNode {
  using Ints = std::vector<int64_t>;

  std::string op_type{}, name{}, domain{};
  std::vector<std::string> inputs{}, outputs{};
  std::map<std::string,
           std::variant<int64_t, float, std::string, Ints, std::vector<float>, OnnxTensor>>
      attributes{};

  // "" where there are not so many.
  const std::string& input(size_t number) const {
    static const std::string kNone;
    return number < inputs.size() ? inputs[number] : kNone;
  }
  bool has(const std::string& attribute) const { return attributes.contains(attribute); }
  // What the attribute is, or `otherwise`. Throws RuntimeError when it is of another type.
  int64_t integer(const std::string& attribute, int64_t otherwise) const;
  float number(const std::string& attribute, float otherwise) const;
  std::string text(const std::string& attribute, const std::string& otherwise) const;
  Ints ints(const std::string& attribute, const Ints& otherwise) const;
  // Operator and name, for messages.
  std::string who() const;
};

struct OnnxInput {
  std::string name{};
  std::optional<int64_t> batch{};  // where the file says how many samples
  std::vector<int64_t> dims{};     // of one; -1: not said
};

struct OnnxFile {
  std::string name{};
  int64_t opset = 0;
  std::vector<OnnxNode> nodes{};  // each behind those whose outputs it takes
  std::map<std::string, OnnxTensor> constants{};
  std::vector<OnnxInput> inputs{};
  std::vector<std::string> outputs{};
  std::map<std::string, std::string> metadata{};
  std::vector<std::string> external_files{};  // paths
};

// `folder`: where files that this one names for its weights may lie; nothing else is read. Throws
// RuntimeError for bytes that are no ONNX file, or one that is damaged.
OnnxFile read_onnx_file(std::span<const char> file, const std::string& folder);

}  // namespace sluice::formats
