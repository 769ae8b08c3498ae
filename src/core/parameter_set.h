// Every weight of a model in one contiguous float buffer, with an index.
//
// Gradients, optimizer slots, shards, checkpoints and messages are spans over the same layout:
// variables in the order of Keras' model.weights, row-major, kernels HWIO and (in, units), no gaps.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "sluice/shape.h"

namespace sluice::core {

struct Variable {
  std::string name;  // "conv2d/kernel"
  Shape shape;
  size_t offset = 0;      // in floats, from the start of the buffer
  bool trainable = true;  // false: a state of its layer

  size_t size() const { return static_cast<size_t>(shape.size()); }
};

class ParameterLayout {
 public:
  // Appends a variable behind the last one and returns its offset in floats.
  size_t add(std::string name, Shape shape, bool trainable = true);

  const std::vector<Variable>& variables() const { return variables_; }
  size_t size() const { return size_; }  // in floats

 private:
  std::vector<Variable> variables_;
  size_t size_ = 0;
};

// A layout and one buffer of that size.
class ParameterSet {
 public:
  ParameterSet() = default;
  explicit ParameterSet(ParameterLayout layout)
      : layout_(std::move(layout)), values_(layout_.size()) {}

  const ParameterLayout& layout() const { return layout_; }
  // Of two sets with the same number the values are the same: it is another one, that no set had
  // before, whenever somebody asks for values that he may change. He does so before he gives the
  // set to anybody who looks at its number.
  uint64_t version() const { return version_; }
  std::span<float> values() {
    version_ = next_version();
    return values_.span();
  }
  std::span<const float> values() const { return values_.span(); }
  std::span<float> values_of(const Variable& v) { return values().subspan(v.offset, v.size()); }
  std::span<const float> values_of(const Variable& v) const {
    return values().subspan(v.offset, v.size());
  }

 private:
  static uint64_t next_version();

  ParameterLayout layout_;
  AlignedBuffer values_;
  uint64_t version_ = next_version();
};

}  // namespace sluice::core
