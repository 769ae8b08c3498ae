#include "formats/onnx_import/layout.h"

#include <algorithm>
#include <numeric>

#include "sluice/layers.h"

namespace sluice::formats::onnx {
namespace {

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

// Where a group's axes begin in the tensor; a place behind all axes where all are of size 1.
// nullopt: others lie between them, or they come in another order.
std::optional<int> place_of(const AxisGroup& group, const Value& value) {
  int first = -1, last = -1;
  for (size_t k = group.a_begin; k < group.a_end; ++k) {
    if (value.dims[k] == 1) continue;
    const int axis = value.order[k];
    if (axis <= last) return std::nullopt;
    for (int between = last + 1; last >= 0 && between < axis; ++between) {
      if (value.tensor->shape()[between] != 1) return std::nullopt;
    }
    if (first < 0) first = axis;
    last = axis;
  }
  return first < 0 ? static_cast<int>(value.dims.size()) : first;
}

// The tensor's own shape, and where the file's axes then lie in it.
struct Arrangement {
  Ints sizes;
  Order order;
};

// That of `dims` where groups of axes that lie together in the tensor change there, without
// moving anything; nullopt: some do not lie together.
std::optional<Arrangement> regrouped(const Value& value, const Ints& dims) {
  std::vector<std::pair<int, AxisGroup>> placed;
  for (const AxisGroup& group : groups_of(value.dims, dims)) {
    const std::optional<int> at = place_of(group, value);
    if (!at) return std::nullopt;
    placed.emplace_back(*at, group);
  }
  std::ranges::stable_sort(placed, {}, &std::pair<int, AxisGroup>::first);
  Arrangement result{.sizes = {}, .order = Order(dims.size())};
  for (const auto& [at, group] : placed) {
    for (size_t k = group.b_begin; k < group.b_end; ++k) {
      result.order[k] = static_cast<int>(result.sizes.size());
      result.sizes.push_back(dims[k]);
    }
  }
  return result;
}

// Of shapes that differ only in where axes of size 1 are, as many: nothing has to be done.
Value with_ones_elsewhere(Value value, const Ints& dims) {
  Order wide, narrow, order;
  for (size_t k = 0; k < dims.size(); ++k) {
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

}  // namespace

SymbolicTensor permuted(const Value& value, const Order& order, const std::string& name) {
  Ints dims(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    dims[static_cast<size_t>(order[k])] = value.order[k] + 1;
  }
  return Permute({.dims = dims, .name = name})(*value.tensor);
}

SymbolicTensor arranged(Importer& in, const Value& value, const Order& order,
                        const OnnxNode& node) {
  if (value.order == order) return *value.tensor;
  return permuted(value, order, in.layer_name(node.name + "_permute"));
}

Value in_natural_order(Importer& in, Value value, const OnnxNode& node) {
  const Order order = natural(value.dims.size());
  value.tensor = arranged(in, value, order, node);
  value.order = order;
  return value;
}

Value in_file_order(Importer& in, Value value, const OnnxNode& node) {
  if (!value.image) return value;
  const auto [dims, order] = *value.image;
  Ints sizes(dims.size());
  for (size_t k = 0; k < dims.size(); ++k) sizes[static_cast<size_t>(order[k])] = dims[k];
  Value image{.tensor = Reshape({.target_shape = Shape(sizes),
                                 .name = in.layer_name(node.name + "_image")})(*value.tensor),
              .dims = dims,
              .order = order};
  const SymbolicTensor natural_image = arranged(in, image, natural(dims.size()), node);
  value.tensor = Flatten({.name = in.layer_name(node.name + "_flatten")})(natural_image);
  value.image.reset();
  return value;
}

Value with_last(Importer& in, Value x, size_t axis, const OnnxNode& node) {
  const int last = static_cast<int>(x.dims.size()) - 1;
  if (x.order[axis] == last) return x;
  Order order;
  for (const int at : x.order) order.push_back(at - (at > x.order[axis] ? 1 : 0));
  order[axis] = last;
  x.tensor = arranged(in, x, order, node);
  x.order = order;
  return x;
}

Value with_rank(Importer& in, Value value, size_t rank, const OnnxNode& node) {
  if (value.dims.size() >= rank) return value;
  const size_t more = rank - value.dims.size();
  Ints sizes(more, 1), ours = value.tensor->shape().dims();
  sizes.insert(sizes.end(), ours.begin(), ours.end());
  value.tensor = Reshape(
      {.target_shape = Shape(sizes), .name = in.layer_name(node.name + "_axes")})(*value.tensor);
  Order order = natural(more);
  for (const int axis : value.order) order.push_back(axis + static_cast<int>(more));
  value.order = order;
  value.dims.insert(value.dims.begin(), more, 1);
  return value;
}

Value reshaped(Importer& in, Value value, const Ints& dims, const OnnxNode& node) {
  if (dims == value.dims) return value;
  if (value.pooled && dims == Ints{product(value.dims)}) {
    return {.tensor = value.pooled, .dims = dims, .order = {0}};
  }
  value = in_file_order(in, std::move(value), node);
  const size_t rank = dims.size();
  if (rank == value.dims.size() && without_ones(dims) == without_ones(value.dims)) {
    return with_ones_elsewhere(std::move(value), dims);
  }
  const std::string name = in.layer_name(node);
  std::optional<Arrangement> kept = regrouped(value, dims);
  if (!kept && rank == 1) {
    return {.tensor = Flatten({.name = name})(*value.tensor),
            .dims = dims,
            .order = {0},
            .image = std::pair(value.dims, value.order)};
  }
  if (!kept) {
    value = in_natural_order(in, std::move(value), node);
    kept = Arrangement{.sizes = dims, .order = natural(rank)};
  }
  const SymbolicTensor& x = *value.tensor;
  value.tensor = rank == 1 ? Flatten({.name = name})(x)
                           : Reshape({.target_shape = Shape(kept->sizes), .name = name})(x);
  value.dims = dims;
  value.order = kept->order;
  value.pooled.reset();
  return value;
}

Value enlarged(Importer& in, Value x, const Ints& factors, const std::string& interpolation,
               const OnnxNode& node) {
  const size_t rank = factors.size();
  std::optional<size_t> kept;
  for (size_t k = 0; k < rank; ++k) {
    const bool is_last = x.order[k] == static_cast<int>(rank) - 1;
    if (factors[k] == 1 && (!kept || is_last)) kept = k;
  }
  if (!kept || (rank != 2 && rank != 3)) {
    fail(node, "Sluice makes rows and columns of images more, and steps of sequences");
  }
  x = with_last(in, std::move(x), *kept, node);
  Ints ours(rank, 1);
  for (size_t k = 0; k < rank; ++k) {
    ours[static_cast<size_t>(x.order[k])] = factors[k];
    if (x.dims[k] > int64_t{1} << 40) fail(node, "it is too large");
    x.dims[k] *= factors[k];
  }
  const std::string name = in.layer_name(node);
  const SymbolicTensor& tensor = *x.tensor;
  Value value = after(x, rank == 2 ? UpSampling1D({.size = ours[0], .name = name})(tensor)
                                   : UpSampling2D({.size = Size2D(ours[0], ours[1]),
                                                   .interpolation = interpolation,
                                                   .name = name})(tensor));
  value.is_positive = x.is_positive;
  return value;
}

}  // namespace sluice::formats::onnx
