// The forward pass of a dense layer on several threads, each over the rows of W that it has in the
// backward pass too.
//
//   y = activation(x W + b) = activation(sum over slices s of x_s W_s + b)
//
// A library splits the product by rows or units, so that each thread reads what another has written
// in the optimizer's step: all of W moves from one core to another, twice in a step, which takes as
// long at any batch size. For the MNIST CNN it was 0.4 of 2.5 ms at batch 16, on two cores that
// share their last cache. Here a row of W stays with its core, and only the partial sums move.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/dense_loops.h"
#include "backend/cpu/kernel.h"
#include "backend/cpu/primitive.h"

namespace sluice::backend::cpu {

class DenseSlices {
 public:
  // Whether there is a piece of `grain` rows of W for each thread, and the partial sums are small
  // beside W.
  static bool pay(int threads, const DenseShape& shape, int64_t grain);

  // In the pieces of parallel_pieces(threads, features, grain). `op` outlives the slices.
  DenseSlices(const Build& build, const DenseOp& op, const DenseShape& shape, int64_t grain);

  void forward();

 private:
  struct Slice {
    Primitive product;
    Buffer* x;  // from the slice's first feature on
    int64_t first_feature;
    Buffer* y;  // its partial sums
    dnnl::stream stream;
  };

  // Rows [begin, end) of y.
  void add_up(int64_t begin, int64_t end) const;

  const int threads_;
  const DenseShape shape_;
  const Activation activation_;
  const Value& x_;
  const Value& y_;
  const float* const bias_;  // or nullptr
  std::vector<Slice> slices_;
};

}  // namespace sluice::backend::cpu
