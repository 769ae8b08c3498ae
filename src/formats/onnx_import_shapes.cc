// OnnxImporter: what only moves elements, or takes some of them.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "formats/onnx_importer.h"
#include "sluice/layers.h"

namespace sluice::formats {
namespace {

using Ints = std::vector<int64_t>;

int64_t product(const Ints& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

Ints without_ones(Ints sizes) {
  std::erase(sizes, 1);
  return sizes;
}

// Axes [a_begin, a_end) of one shape that hold the same as [b_begin, b_end) of another.
struct AxisGroup {
  size_t a_begin, a_end, b_begin, b_end;
};

// The smallest ones, of shapes of as many elements.
std::vector<AxisGroup> groups_of(const Ints& a, const Ints& b) {
  std::vector<AxisGroup> groups;
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    AxisGroup group{i, i, j, j};
    int64_t of_a = i < a.size() ? a[i++] : 1, of_b = j < b.size() ? b[j++] : 1;
    while (of_a != of_b) {
      if (of_a < of_b) {
        of_a *= a[i++];
      } else {
        of_b *= b[j++];
      }
    }
    group.a_end = i;
    group.b_end = j;
    groups.push_back(group);
  }
  return groups;
}

}  // namespace

OnnxImporter::Value OnnxImporter::reshaped(Value value, const Ints& dims, const OnnxNode& node) {
  if (dims == value.dims) return value;
  if (value.pooled && dims == Ints{product(value.dims)}) {
    return {.tensor = value.pooled, .dims = dims, .order = {0}};
  }
  value = in_file_order(std::move(value), node);
  const size_t rank = dims.size();
  // Where only axes of size 1 change their places, nothing has to be done.
  if (rank == value.dims.size() && without_ones(dims) == without_ones(value.dims)) {
    Order wide, narrow, order;
    for (size_t k = 0; k < rank; ++k) {
      (value.dims[k] == 1 ? narrow : wide).push_back(value.order[k]);
    }
    size_t next_wide = 0, next_narrow = 0;
    for (const int64_t size : dims) {
      order.push_back(size == 1 ? narrow[next_narrow++] : wide[next_wide++]);
    }
    value.dims = dims;
    value.order = order;
    return value;
  }
  // Groups of axes that lie together in the tensor change there.
  struct Placed {
    int at;
    AxisGroup group;
  };
  std::vector<Placed> placed;
  bool together = true;
  for (const AxisGroup& group : groups_of(value.dims, dims)) {
    int at = -1, last = -1;
    for (size_t k = group.a_begin; k < group.a_end; ++k) {
      if (value.dims[k] == 1) continue;
      const int axis = value.order[k];
      if (at < 0) at = axis;
      for (int between = last + 1; last >= 0 && between < axis; ++between) {
        together &= value.tensor->shape()[between] == 1;
      }
      together &= axis > last;
      last = axis;
    }
    placed.push_back({at < 0 ? static_cast<int>(value.dims.size()) : at, group});
  }
  const std::string name = layer_name(node);
  if (!together && rank == 1) {
    return {.tensor = Flatten({.name = name})(*value.tensor),
            .dims = dims,
            .order = {0},
            .image = std::pair(value.dims, value.order)};
  }
  if (!together) {
    const Order order = natural(value.dims.size());
    value.tensor =
        Reshape({.target_shape = Shape(dims), .name = name})(arranged(value, order, node));
    value.dims = dims;
    value.order = natural(rank);
    return value;
  }
  std::ranges::stable_sort(placed, {}, &Placed::at);
  Ints sizes;
  Order order(rank);
  for (const Placed& each : placed) {
    for (size_t k = each.group.b_begin; k < each.group.b_end; ++k) {
      order[k] = static_cast<int>(sizes.size());
      sizes.push_back(dims[k]);
    }
  }
  if (rank == 1) {
    value.tensor = Flatten({.name = name})(*value.tensor);
  } else {
    value.tensor = Reshape({.target_shape = Shape(sizes), .name = name})(*value.tensor);
  }
  value.dims = dims;
  value.order = order;
  value.pooled.reset();
  return value;
}

OnnxImporter::Value OnnxImporter::flattened(Value value, const OnnxNode& node) {
  const Ints dims{product(value.dims)};
  return reshaped(std::move(value), dims, node);
}

OnnxImporter::Value OnnxImporter::reshape(const OnnxNode& node) {
  const Value& x = raw_operand(node, 0);
  Ints target = whole(node, 1, "the shape");
  const bool keeps_zeros = node.integer("allowzero", 0) != 0;
  const char* why = "the batch does not stay the first axis, alone";
  if (target.size() < 2) fail(node, why);
  const int64_t size = product(x.dims), first = target.front();
  target.erase(target.begin());
  int64_t known = 1;
  std::optional<size_t> open;
  for (size_t k = 0; k < target.size(); ++k) {
    if (target[k] == 0 && !keeps_zeros && k < x.dims.size()) target[k] = x.dims[k];
    if (target[k] == -1 && !open) {
      open = k;
      continue;
    }
    if (target[k] < 1 || known > size / target[k]) fail(node, "the shape holds another number");
    known *= target[k];
  }
  if (open) {
    if (first == -1 || size % known != 0) fail(node, why);
    target[*open] = size / known;
  } else if (known != size) {
    fail(node, why);
  }
  const bool is_batch = first == 0 || first == -1 || first == kBatch || first == batch_;
  if (!is_batch) fail(node, why);
  if (auto normalized = group_normalization(node, x)) return *std::move(normalized);
  return reshaped(x, target, node);
}

OnnxImporter::Value OnnxImporter::flatten(const OnnxNode& node) {
  if (node.integer("axis", 1) != 1) fail(node, "the batch does not stay the first axis, alone");
  return flattened(raw_operand(node, 0), node);
}

OnnxImporter::Value OnnxImporter::squeeze(const OnnxNode& node) {
  const Value& x = raw_operand(node, 0);
  const std::optional<Ints> axes = ints_of(node, "axes", 1);
  const bool inserts = node.op_type == "Unsqueeze";
  Ints dims = x.dims;
  if (!axes) {
    if (inserts) fail(node, "there are no axes");
    return reshaped(x, without_ones(dims), node);
  }
  constexpr size_t kMostAxes = 8;
  if (axes->size() > kMostAxes) fail(node, "there are too many axes");
  const auto rank = static_cast<int64_t>(dims.size() + 1 + (inserts ? axes->size() : 0));
  std::set<int64_t> places;
  for (const int64_t axis : *axes) places.insert(axis < 0 ? axis + rank : axis);
  if (places.empty()) return x;
  if (*places.begin() < 1 || *places.rbegin() >= rank || places.size() != axes->size()) {
    fail(node, "an axis is the batch, or not there");
  }
  if (inserts) {
    for (const int64_t place : places) dims.insert(dims.begin() + place - 1, 1);
  } else {
    for (auto place = places.rbegin(); place != places.rend(); ++place) {
      if (dims[static_cast<size_t>(*place - 1)] != 1) fail(node, "an axis is not of size 1");
      dims.erase(dims.begin() + *place - 1);
    }
  }
  return reshaped(x, dims, node);
}

OnnxImporter::Value OnnxImporter::transpose(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size());
  const Ints perm = node.ints("perm", {});
  std::set<int64_t> axes(perm.begin(), perm.end());
  if (static_cast<int64_t>(perm.size()) != rank + 1 ||
      static_cast<int64_t>(axes.size()) != rank + 1 || *axes.begin() != 0 ||
      *axes.rbegin() != rank || perm.front() != 0) {
    fail(node, "the batch does not stay the first axis");
  }
  Value y = x;
  for (size_t k = 0; k < x.dims.size(); ++k) {
    const auto from = static_cast<size_t>(perm[k + 1] - 1);
    y.dims[k] = x.dims[from];
    y.order[k] = x.order[from];
  }
  return y;
}

OnnxImporter::Value OnnxImporter::concat(const OnnxNode& node) {
  std::vector<Value> values;
  for (size_t k = 0; k < node.inputs.size(); ++k) values.push_back(operand(node, k));
  if (values.empty()) fail(node, "it has no inputs");
  Value y = values.front();
  y.pooled.reset();
  const auto rank = static_cast<int64_t>(y.dims.size());
  int64_t axis = node.integer("axis", 1);
  if (axis < 0) axis += rank + 1;
  if (axis < 1 || axis > rank) fail(node, "the axis is the batch, or not there");
  const auto at = static_cast<size_t>(axis - 1);
  y.dims[at] = 0;
  std::vector<SymbolicTensor> tensors;
  for (const Value& value : values) {
    if (value.dims.size() != y.dims.size()) fail(node, "its inputs have not as many axes");
    tensors.push_back(arranged(value, y.order, node));
    y.dims[at] += value.dims[at];
    y.is_positive &= value.is_positive;
  }
  if (tensors.size() > 1) {
    const int64_t ours = y.order[at] + 1;
    y.tensor = Concatenate({.axis = ours == rank ? -1 : ours, .name = layer_name(node)})(tensors);
  }
  return y;
}

// Zeros in front of and behind each of the file's axes, or so much less where they are negative.
OnnxImporter::Value OnnxImporter::bordered(Value value, const std::vector<Border1D>& borders,
                                           const OnnxNode& node) {
  const size_t rank = value.dims.size();
  if (rank == 0 || rank > 3) fail(node, "Sluice pads and crops values of one to three axes");
  const bool was_row = rank == 1;
  if (was_row) {
    value.tensor = Reshape({.target_shape = {value.dims[0], 1},
                            .name = layer_name(node.name + "_column")})(*value.tensor);
    value.dims.push_back(1);
    value.order = {0, 1};
  }
  std::vector<Border1D> pending = borders;
  pending.resize(value.dims.size(), Border1D(0));
  const size_t sides = value.dims.size() - 1;  // axes that the layers have borders for
  const auto on = [&](size_t ours) {
    for (size_t k = 0; k < pending.size(); ++k) {
      if (value.order[k] == static_cast<int>(ours)) return k;
    }
    return size_t{0};
  };
  const auto is_pending = [&](size_t ours) { return pending[on(ours)] != Border1D(0); };
  const auto positive = [](const Border1D& b) {
    return Border1D(std::max<int64_t>(b.before, 0), std::max<int64_t>(b.after, 0));
  };
  const auto negative = [&](const Border1D& b) { return positive({-b.before, -b.after}); };
  for (int round = 0; round < 2; ++round) {
    bool any = false;
    for (size_t ours = 0; ours < sides; ++ours) any |= is_pending(ours);
    if (any) {
      const Border1D first = pending[on(0)], second = sides > 1 ? pending[on(1)] : Border1D(0);
      const Border2D crop(negative(first), negative(second));
      const Border2D zeros(positive(first), positive(second));
      if (crop != Border2D(0)) {
        const std::string name = layer_name(node);
        value.tensor = sides == 1 ? Cropping1D({.cropping = crop.h, .name = name})(*value.tensor)
                                  : Cropping2D({.cropping = crop, .name = name})(*value.tensor);
      }
      if (zeros != Border2D(0)) {
        const std::string name = layer_name(node);
        value.tensor = sides == 1 ? ZeroPadding1D({.padding = zeros.h, .name = name})(*value.tensor)
                                  : ZeroPadding2D({.padding = zeros, .name = name})(*value.tensor);
      }
      for (size_t ours = 0; ours < sides; ++ours) {
        const size_t k = on(ours);
        value.dims[k] += pending[k].before + pending[k].after;
        pending[k] = Border1D(0);
      }
    }
    if (!is_pending(sides)) break;
    Order order;  // the last axis first
    for (const int axis : value.order) {
      order.push_back(axis == static_cast<int>(sides) ? 0 : axis + 1);
    }
    value.tensor = arranged(value, order, node);
    value.order = order;
  }
  value.pooled.reset();
  if (!was_row) return value;
  const int64_t size = value.dims[0];
  return {.tensor = Flatten({.name = layer_name(node.name + "_row")})(*value.tensor),
          .dims = {size},
          .order = {0},
          .is_positive = value.is_positive};
}

OnnxImporter::Value OnnxImporter::pad(const OnnxNode& node) {
  const Value x = operand(node, 0);
  if (node.text("mode", "constant") != "constant") fail(node, "Sluice pads with zeros only");
  if (scalar_or(node, 2, "value", 0) != 0) fail(node, "Sluice pads with zeros only");
  if (has_input(node, 3)) fail(node, "Sluice reads it for all axes only");
  const std::optional<Ints> pads = ints_of(node, "pads", 1);
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
  return bordered(x, borders, node);
}

OnnxImporter::Value OnnxImporter::slice(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const std::optional<Ints> starts = ints_of(node, "starts", 1), ends = ints_of(node, "ends", 2);
  std::optional<Ints> axes = ints_of(node, "axes", 3);
  const Ints steps = has_input(node, 4) ? whole(node, 4, "steps") : Ints();
  if (!starts || !ends || starts->size() != ends->size()) fail(node, "starts and ends differ");
  if (!axes) {
    axes.emplace();
    for (size_t k = 0; k < starts->size(); ++k) axes->push_back(static_cast<int64_t>(k));
  }
  if (axes->size() != starts->size()) fail(node, "starts and axes differ");
  if (std::ranges::any_of(steps, [](int64_t step) { return step != 1; })) {
    fail(node, "Sluice takes neighbours only, with steps of 1");
  }
  const auto rank = static_cast<int64_t>(x.dims.size());
  std::vector<Border1D> borders(x.dims.size(), Border1D(0));
  for (size_t k = 0; k < axes->size(); ++k) {
    const int64_t axis = (*axes)[k] < 0 ? (*axes)[k] + rank + 1 : (*axes)[k];
    if (axis < 1 || axis > rank) fail(node, "an axis is the batch, or not there");
    const int64_t size = x.dims[static_cast<size_t>(axis - 1)];
    const auto place = [size](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? std::max(at, -size) + size : at, 0, size);
    };
    const int64_t begin = place((*starts)[k]), end = place((*ends)[k]);
    if (begin >= end) fail(node, "nothing is left");
    borders[static_cast<size_t>(axis - 1)] = Border1D(-begin, end - size);
  }
  return bordered(x, borders, node);
}

OnnxImporter::Value OnnxImporter::split(const OnnxNode& node) {
  const Value x = operand(node, 0);
  const auto rank = static_cast<int64_t>(x.dims.size());
  int64_t axis = node.integer("axis", 0);
  if (axis < 0) axis += rank + 1;
  if (axis < 1 || axis > rank) fail(node, "the axis is the batch, or not there");
  const auto at = static_cast<size_t>(axis - 1);
  const int64_t size = x.dims[at], count = static_cast<int64_t>(node.outputs.size());
  const int64_t even = (size + count - 1) / count;
  const std::optional<Ints> sizes = ints_of(node, "split", 1);
  if (sizes && sizes->size() != node.outputs.size()) fail(node, "sizes and outputs differ");
  Value first;
  int64_t begin = 0;
  for (int64_t part = 0; part < count; ++part) {
    const int64_t own = sizes ? (*sizes)[static_cast<size_t>(part)] : std::min(even, size - begin);
    if (own < 1 || own > size - begin) fail(node, "the parts are not the whole");
    std::vector<Border1D> borders(x.dims.size(), Border1D(0));
    borders[at] = Border1D(-begin, begin + own - size);
    Value value = bordered(x, borders, node);
    begin += own;
    if (part == 0) first = value;
    values_[node.outputs[static_cast<size_t>(part)]] = std::move(value);
  }
  return first;
}

OnnxImporter::Value OnnxImporter::expand(const OnnxNode& node) {
  Value x = operand(node, 0);
  Ints target = whole(node, 1, "the shape");
  if (target.size() != x.dims.size() + 1) fail(node, "Sluice keeps the number of axes");
  if (target[0] != 1 && target[0] != kBatch && target[0] != batch_) {
    fail(node, "the batch would be another");
  }
  Ints repeats(x.dims.size(), 1);
  bool any = false;
  for (size_t k = 0; k < x.dims.size(); ++k) {
    const int64_t wanted = target[k + 1];
    if (wanted == x.dims[k] || wanted == 1) continue;
    constexpr int64_t kMost = int64_t{1} << 31;
    if (x.dims[k] != 1 || wanted < 1 || wanted > kMost) fail(node, "the shape does not fit");
    repeats[k] = wanted;
    any = true;
  }
  return any ? enlarged(x, repeats, "nearest", node) : x;
}

}  // namespace sluice::formats
