// The sizes of a tensor's dimensions, outermost first: Shape{28, 28, 1} is an image of 28 x 28
// pixels with one channel. Tensors are row-major: the last dimension is contiguous. Shapes are
// those of one sample, without the batch, unless something else is said.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

// A value: copying copies the sizes. Nothing here checks them; what takes a Shape says which it
// refuses. Safe to read from several threads.
class Shape {
 public:
  // Rank 0, the shape of a single number.
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  // How many dimensions there are.
  int rank() const { return static_cast<int>(dims_.size()); }
  // The size of dimension `axis`, which must be from 0 to rank() - 1.
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  // All sizes, outermost first.
  const std::vector<int64_t>& dims() const { return dims_; }

  // How many elements a tensor of this shape has: the product of all sizes; 1 for rank 0. Sizes
  // whose product exceeds 2^63 - 1 must not come here; layers refuse more than 2^40 elements.
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims_) n *= d;
    return n;
  }

  // "[28, 28, 1]"; "[]" for rank 0.
  std::string to_string() const;

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace sluice
