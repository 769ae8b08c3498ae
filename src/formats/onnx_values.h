// The values of a model in a graph of ONNX, whose convolutions take channels first where ours come
// last. Each value has a name in the layout in which it came about, and one in the other as soon as
// somebody asks for it: a transposition, or nothing but another shape where that is the same.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "formats/lowered_model.h"
#include "formats/protobuf/onnx_nodes.h"

namespace sluice::formats {

enum class ChannelLayout {
  kLast,   // [N, H, W, C], as ours
  kFirst,  // [N, C, H, W]; of values of fewer than two axes the same
};

class OnnxValues {
 public:
  using ValueId = backend::ValueId;
  using Ints = OnnxNodes::Ints;

  OnnxValues(const LoweredModel& model, OnnxNodes& nodes)
      : model_(model),
        nodes_(nodes),
        names_(model.graph.values.size()),
        flat_(model.graph.values.size()),
        origins_(model.graph.values.size(), kNone) {}

  void set(ValueId value, ChannelLayout layout, std::string name);
  // The same value as another.
  void set_alias(ValueId value, ValueId other);
  // The same elements under another shape.
  void set_reshaped(ValueId value, ValueId other);

  // Made where it is not there yet.
  std::string get(ValueId value, ChannelLayout layout);
  // The layout that costs nothing, of one value or for several together.
  ChannelLayout preferred(const std::vector<ValueId>& values) const;

  // An image that was made one row has its elements in ONNX's order there, until get() is called:
  // whoever weighs them anyway can take them so. "" where that is not so.
  struct Flat {
    std::string name{};
    Shape image{};  // [H, W, C]
  };
  const Flat& flat(ValueId value) const { return flat_[value]; }

  // Axis `axis` of a value, which counts without the batch, as the file counts it.
  int64_t axis_of(ValueId value, int axis, ChannelLayout layout) const;
  // The sizes of a value of this shape, the batch apart.
  static Ints dims(const Shape& shape, ChannelLayout layout);

 private:
  static constexpr ValueId kNone = static_cast<ValueId>(-1);

  std::string reshaped(const std::string& name, Ints dims);
  std::string as_layer(const std::string& name, Ints dims);  // likewise, by a node of its name
  std::string converted(ValueId value, ChannelLayout to);

  const LoweredModel& model_;
  OnnxNodes& nodes_;
  std::vector<std::array<std::string, 2>> names_;
  std::vector<Flat> flat_;
  std::vector<ValueId> origins_;  // of what only has another shape: the value that it was
};

}  // namespace sluice::formats
