// What is cut off, and zeros that are put around.
#include <algorithm>

#include "formats/onnx_import/layout.h"
#include "formats/onnx_import/operators.h"
#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

// The axis of the file that is axis `ours` of the tensor.
size_t file_axis(const Value& value, size_t ours) {
  const auto it = std::ranges::find(value.order, static_cast<int>(ours));
  return static_cast<size_t>(it - value.order.begin());
}

Border1D grown(const Border1D& b) {
  return {std::max<int64_t>(b.before, 0), std::max<int64_t>(b.after, 0)};
}
Border1D cropped(const Border1D& b) { return grown({-b.before, -b.after}); }

// Borders of all axes of the tensor but its last, which layers have none for; done, they are 0.
void add_borders(Importer& in, Value& value, std::vector<Border1D>& borders, const OnnxNode& node) {
  const size_t sides = value.dims.size() - 1;
  const auto of = [&](size_t ours) -> Border1D& { return borders[file_axis(value, ours)]; };
  const Border1D first = sides > 0 ? of(0) : 0, second = sides > 1 ? of(1) : 0;
  const Border2D crop(cropped(first), cropped(second)), zeros(grown(first), grown(second));
  if (crop != Border2D(0)) {
    const std::string name = in.layer_name(node);
    value.tensor = sides == 1 ? Cropping1D({.cropping = crop.h, .name = name})(*value.tensor)
                              : Cropping2D({.cropping = crop, .name = name})(*value.tensor);
  }
  if (zeros != Border2D(0)) {
    const std::string name = in.layer_name(node);
    value.tensor = sides == 1 ? ZeroPadding1D({.padding = zeros.h, .name = name})(*value.tensor)
                              : ZeroPadding2D({.padding = zeros, .name = name})(*value.tensor);
  }
  for (size_t ours = 0; ours < sides; ++ours) {
    Border1D& done = of(ours);
    value.dims[file_axis(value, ours)] += done.before + done.after;
    done = Border1D(0);
  }
}

}  // namespace

Value bordered(Importer& in, Value value, const std::vector<Border1D>& borders,
               const OnnxNode& node) {
  const size_t rank = value.dims.size();
  if (rank == 0 || rank > 3) fail(node, "Sluice pads and crops values of one to three axes");
  const bool was_row = rank == 1;
  if (was_row) {
    value.tensor = Reshape({.target_shape = {value.dims[0], 1},
                            .name = in.layer_name(node.name + "_column")})(*value.tensor);
    value.dims.push_back(1);
    value.order = {0, 1};
  }
  std::vector<Border1D> pending = borders;
  pending.resize(value.dims.size(), Border1D(0));
  add_borders(in, value, pending, node);
  const auto last = static_cast<int>(value.dims.size()) - 1;
  if (pending[file_axis(value, static_cast<size_t>(last))] != Border1D(0)) {
    Order order;  // the last axis first
    for (const int axis : value.order) order.push_back(axis == last ? 0 : axis + 1);
    value.tensor = arranged(in, value, order, node);
    value.order = order;
    add_borders(in, value, pending, node);
  }
  value.pooled.reset();
  if (!was_row) return value;
  const int64_t size = value.dims[0];
  return {.tensor = Flatten({.name = in.layer_name(node.name + "_row")})(*value.tensor),
          .dims = {size},
          .order = {0},
          .is_positive = value.is_positive};
}

Value pad(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  if (node.text("mode", "constant") != "constant" || in.scalar_or(node, 2, "value", 0) != 0) {
    fail(node, "Sluice pads with zeros only");
  }
  if (has_input(node, 3)) fail(node, "Sluice reads it for all axes only");
  const std::optional<Ints> pads = in.ints_of(node, "pads", 1);
  const size_t rank = x.dims.size() + 1;
  if (!pads || pads->size() != 2 * rank || (*pads)[0] != 0 || (*pads)[rank] != 0) {
    fail(node, "there are not two numbers for each axis, 0 for the batch");
  }
  constexpr int64_t kMost = int64_t{1} << 31;
  std::vector<Border1D> borders;
  for (size_t k = 1; k < rank; ++k) {
    const int64_t before = (*pads)[k], after = (*pads)[k + rank];
    if (before > kMost || after > kMost || before < -kMost || after < -kMost) {
      fail(node, "a border is too large");
    }
    borders.emplace_back(before, after);
  }
  return bordered(in, x, borders, node);
}

Value slice(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const auto starts = in.ints_of(node, "starts", 1), ends = in.ints_of(node, "ends", 2);
  std::optional<Ints> axes = in.ints_of(node, "axes", 3);
  const Ints steps = has_input(node, 4) ? in.whole(node, 4, "steps") : Ints();
  if (!starts || !ends || starts->size() != ends->size()) fail(node, "starts and ends differ");
  if (!axes) {
    axes.emplace();
    for (size_t k = 0; k < starts->size(); ++k) axes->push_back(static_cast<int64_t>(k));
  }
  if (axes->size() != starts->size()) fail(node, "starts and axes differ");
  if (std::ranges::any_of(steps, [](int64_t step) { return step != 1; })) {
    fail(node, "Sluice takes neighbours only, with steps of 1");
  }
  std::vector<Border1D> borders(x.dims.size(), Border1D(0));
  for (size_t k = 0; k < axes->size(); ++k) {
    const size_t axis = axis_of(node, (*axes)[k], x.dims.size());
    const int64_t size = x.dims[axis];
    const auto place = [size](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? std::max(at, -size) + size : at, 0, size);
    };
    const int64_t begin = place((*starts)[k]), end = place((*ends)[k]);
    if (begin >= end) fail(node, "nothing is left");
    borders[axis] = Border1D(-begin, end - size);
  }
  return bordered(in, x, borders, node);
}

Value split(Importer& in, const OnnxNode& node) {
  const Value x = in.operand(node, 0);
  const size_t axis = axis_of(node, node.integer("axis", 0), x.dims.size());
  const int64_t size = x.dims[axis], count = static_cast<int64_t>(node.outputs.size());
  const int64_t even = (size + count - 1) / count;
  const std::optional<Ints> sizes = in.ints_of(node, "split", 1);
  if (sizes && sizes->size() != node.outputs.size()) fail(node, "sizes and outputs differ");
  Value first;
  int64_t begin = 0;
  for (size_t part = 0; part < node.outputs.size(); ++part) {
    const int64_t own = sizes ? (*sizes)[part] : std::min(even, size - begin);
    if (own < 1 || own > size - begin) fail(node, "the parts are not the whole");
    std::vector<Border1D> borders(x.dims.size(), Border1D(0));
    borders[axis] = Border1D(-begin, begin + own - size);
    Value value = bordered(in, x, borders, node);
    begin += own;
    if (part == 0) first = value;
    in.set_value(node.outputs[part], std::move(value));
  }
  return first;
}

}  // namespace sluice::formats::onnx
