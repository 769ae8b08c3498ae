// The loops of pooling, over images in either layout, sixteen channels at a time.
//
// The largest cell of a window is the first of equals, row by row, or, where one is NaN, the last
// NaN (as PyTorch has it): a model that diverged must not look finite. TensorFlow on CPUs drops or
// keeps NaN as the number of channels has it.
#pragma once

#include <cstdint>

#include "backend/cpu/kernel.h"
#include "backend/graph.h"

namespace sluice::backend::cpu {

// Where the floats of a batch of images lie: element (n, block, h, w, lane), 16 lanes to a block.
struct ImageView {
  int64_t image = 0, block = 0, row = 0, pixel = 0;  // strides in floats
  int64_t height = 0, width = 0, channels = 0;

  ImageView(const Shape& shape, Layout layout);
};

struct Pooling {
  Pool2DOp op;
  ImageView x, y;
  // Outputs whose value is not above zero, NaN among them, pass no gradient on: x comes from a
  // ReLU.
  enum class Mask { kNone, kRelu } mask = Mask::kNone;
};

// Whether max_pool() writes down which cell of each window was the largest, one byte per element of
// y. It does for windows of 2 x 2 that do not overlap, by far the most common; for all others the
// backward pass searches x again.
bool remembers_cells(const Pooling& p);

// Output rows [begin, end) of all rows of the batch. `cells`, unless it is not used, is
// [rows, blocks, width, 16].
void max_pool(const Pooling& p, int64_t begin, int64_t end, const float* x, float* y,
              uint8_t* cells);
void average_pool(const Pooling& p, int64_t begin, int64_t end, const float* x, float* y);
// Only where remembers_cells().
void max_pool(const Pooling& p, int64_t begin, int64_t end, const Bfloat16* x, Bfloat16* y,
              uint8_t* cells);

// dx from dy for the output rows [begin, end), which are whole images unless remembers_cells().
// A maximum's gradient goes to the largest cell of its window.
void max_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const float* x,
                       const uint8_t* cells, const float* dy, float* dx);
void average_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const float* dy,
                           float* dx);
// Only where remembers_cells().
void max_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const uint8_t* cells,
                       const Bfloat16* dy, Bfloat16* dx);

}  // namespace sluice::backend::cpu
