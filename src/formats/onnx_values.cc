#include "formats/onnx_values.h"

#include <algorithm>
#include <utility>

namespace sluice::formats {
namespace {

constexpr size_t index_of(ChannelLayout layout) { return static_cast<size_t>(layout); }

// Whether both layouts have the elements in the same order.
bool is_same_in_both(const Shape& shape) {
  return shape.rank() < 2 || shape.dims().back() == 1 || shape.size() == shape.dims().back();
}

}  // namespace

OnnxValues::Ints OnnxValues::dims(const Shape& shape, ChannelLayout layout) {
  Ints dims = shape.dims();
  if (layout == ChannelLayout::kFirst && dims.size() > 1) {
    std::rotate(dims.begin(), dims.end() - 1, dims.end());
  }
  return dims;
}

int64_t OnnxValues::axis_of(ValueId value, int axis, ChannelLayout layout) const {
  const int rank = model_.shape_of(value).rank();
  if (layout == ChannelLayout::kLast || rank < 2) return axis + 1;
  return axis == rank - 1 ? 1 : axis + 2;
}

void OnnxValues::set(ValueId value, ChannelLayout layout, std::string name) {
  if (model_.shape_of(value).rank() < 2) layout = ChannelLayout::kLast;
  names_[value][index_of(layout)] = std::move(name);
}

void OnnxValues::set_alias(ValueId value, ValueId other) {
  names_[value] = names_[other];
  flat_[value] = flat_[other];
  origins_[value] = origins_[other];
}

std::string OnnxValues::reshaped(const std::string& name, Ints dims) {
  dims.insert(dims.begin(), 0);  // the batch stays
  return nodes_.add_conversion("Reshape", {name, nodes_.integers(dims)});
}

std::string OnnxValues::as_layer(const std::string& name, Ints dims) {
  dims.insert(dims.begin(), 0);
  return nodes_.add_node("Reshape", {name, nodes_.integers(dims)});
}

void OnnxValues::set_reshaped(ValueId value, ValueId other) {
  const Shape& shape = model_.shape_of(value);
  const ValueId origin = origins_[other] == kNone ? other : origins_[other];
  if (model_.shape_of(origin) == shape) return set_alias(value, origin);
  origins_[value] = origin;
  const Shape& from = model_.shape_of(origin);
  const bool keeps_channels =
      shape.rank() > 1 && from.rank() > 1 && shape.dims().back() == from.dims().back();
  const std::string& first = names_[origin][index_of(ChannelLayout::kFirst)];
  if (first.empty() || is_same_in_both(from)) {
    const std::string name = first.empty() ? get(origin, ChannelLayout::kLast) : first;
    names_[value][index_of(ChannelLayout::kLast)] = as_layer(name, shape.dims());
  } else if (keeps_channels) {
    names_[value][index_of(ChannelLayout::kFirst)] =
        as_layer(first, dims(shape, ChannelLayout::kFirst));
  } else if (shape.rank() == 1) {
    flat_[value] = {as_layer(first, shape.dims()), from};
  } else {
    names_[value][index_of(ChannelLayout::kLast)] =
        as_layer(get(origin, ChannelLayout::kLast), shape.dims());
  }
}

std::string OnnxValues::converted(ValueId value, ChannelLayout to) {
  const Shape& shape = model_.shape_of(value);
  const std::string& name = names_[value][1 - index_of(to)];
  if (is_same_in_both(shape)) return reshaped(name, dims(shape, to));
  Ints order{0};
  const auto rank = static_cast<int64_t>(shape.rank());
  if (to == ChannelLayout::kFirst) order.push_back(rank);
  for (int64_t k = 1; k < rank; ++k) order.push_back(to == ChannelLayout::kFirst ? k : k + 1);
  if (to == ChannelLayout::kLast) order.push_back(1);
  return nodes_.add_conversion("Transpose", {name}, {{"perm", order}});
}

std::string OnnxValues::get(ValueId value, ChannelLayout layout) {
  const Shape& shape = model_.shape_of(value);
  if (shape.rank() < 2) layout = ChannelLayout::kLast;
  std::string& name = names_[value][index_of(layout)];
  if (!name.empty()) return name;
  if (!flat_[value].name.empty()) {
    name = reshaped(get(origins_[value], ChannelLayout::kLast), shape.dims());
  } else {
    name = converted(value, layout);
  }
  return name;
}

ChannelLayout OnnxValues::preferred(const std::vector<ValueId>& values) const {
  const auto is_first = [this](ValueId value) {
    return !names_[value][index_of(ChannelLayout::kFirst)].empty();
  };
  return std::ranges::any_of(values, is_first) ? ChannelLayout::kFirst : ChannelLayout::kLast;
}

}  // namespace sluice::formats
