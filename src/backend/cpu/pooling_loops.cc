#include "backend/cpu/pooling_loops.h"

#include <algorithm>
#include <limits>

#include "backend/cpu/vector.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

constexpr uint8_t kNoCell = 255;  // the gradient goes nowhere

using Bytes = uint8_t __attribute__((vector_size(16)));

int64_t blocks_of(const ImageView& view) { return (view.channels + kLanes - 1) / kLanes; }
int64_t lanes_of(const ImageView& view, int64_t block) {
  return std::min(kLanes, view.channels - block * kLanes);
}

// The part of a window that lies inside the image.
struct Cells {
  int64_t top, bottom, left, right;  // rows [top, bottom), columns [left, right) of the window
  int64_t first_row, first_column;   // of the image, of the window's cell (0, 0); may be negative
};

[[gnu::always_inline]] inline Cells cells_of(const Pooling& p, int64_t h, int64_t w) {
  Cells c;
  c.first_row = h * p.op.stride_h - p.op.padding.top;
  c.first_column = w * p.op.stride_w - p.op.padding.left;
  c.top = std::max<int64_t>(0, -c.first_row);
  c.left = std::max<int64_t>(0, -c.first_column);
  c.bottom = std::min(p.op.pool_h, p.x.height - c.first_row);
  c.right = std::min(p.op.pool_w, p.x.width - c.first_column);
  return c;
}

// What the cells of a window may be. NaN is larger than what comes before it, and no number is
// larger than NaN; knowing that there is none saves half the instructions.
enum class Cell { kNumber, kMayBeNan };

// `index` is not below that of any cell before.
template <Cell kind>
[[gnu::always_inline]] inline void keep_larger(Floats& best, Ints& cell, const Floats& x,
                                               int32_t index) {
  const Ints larger = x > best;
  best = larger ? x : best;
  cell = larger ? Ints{} + index : cell;
  if constexpr (kind == Cell::kMayBeNan) {
    // In integers, and the cell as a maximum: where two masks meet, GCC 12 takes vectors apart.
    const Ints bits = reinterpret_cast<Ints>(x);
    const Ints is_nan = (0x7f800000 - (bits & 0x7fffffff)) >> 31;
    const Ints place = index & is_nan;
    best = reinterpret_cast<Floats>(reinterpret_cast<Ints>(best) | (bits & is_nan));
    cell = place > cell ? place : cell;
  }
}

[[gnu::always_inline]] inline void store_cells(uint8_t* to, const Pooling& p, const Floats& best,
                                               Ints& cell) {
  if (p.mask == Pooling::Mask::kRelu) cell = best > 0.0f ? cell : Ints{} + int32_t{kNoCell};
  const Bytes bytes = __builtin_convertvector(cell, Bytes);
  std::memcpy(to, &bytes, sizeof bytes);
}

// The largest cell of any window.
[[gnu::always_inline]] inline void max_window(const Pooling& p, const Cells& c, const float* plane,
                                              int64_t lanes, Floats& best, Ints& cell) {
  best = Floats{} - std::numeric_limits<float>::infinity();
  cell = Ints{} + static_cast<int32_t>(c.top * p.op.pool_w + c.left);
  for (int64_t i = c.top; i < c.bottom; ++i) {
    for (int64_t j = c.left; j < c.right; ++j) {
      Floats x;
      load_some(x, plane + (c.first_row + i) * p.x.row + (c.first_column + j) * p.x.pixel, lanes);
      keep_larger<Cell::kMayBeNan>(best, cell, x, static_cast<int32_t>(i * p.op.pool_w + j));
    }
  }
}

// Where the windows of one output row lie, for one block of channels: in x, in y and in the cells.
struct BlockOfRow {
  int64_t x, y, cells;
  bool is_last;  // of its image's rows
};

// Calls visit(block) for the output rows [begin, end) of windows of 2 x 2 side by side.
template <typename Visit>
void for_each_block_of_rows(const Pooling& p, int64_t begin, int64_t end, const Visit& visit) {
  const int64_t blocks = blocks_of(p.x);
  for (int64_t r = begin; r < end; ++r) {
    const int64_t n = r / p.y.height, h = r % p.y.height;
    for (int64_t b = 0; b < blocks; ++b) {
      visit(BlockOfRow{n * p.x.image + b * p.x.block + 2 * h * p.x.row,
                       n * p.y.image + b * p.y.block + h * p.y.row,
                       (r * blocks + b) * p.y.width * kLanes, h + 1 == p.y.height});
    }
  }
}

}  // namespace

ImageView::ImageView(const Shape& shape, Layout layout)
    : height(shape[0]), width(shape[1]), channels(shape[2]) {
  const bool blocked = layout == Layout::kBlocked16;
  pixel = blocked ? kLanes : channels;
  row = width * pixel;
  block = blocked ? height * row : kLanes;
  image = height * width * channels;
}

bool remembers_cells(const Pooling& p) {
  const Pool2DOp& op = p.op;
  return op.kind == Pool2DOp::Kind::kMax && op.pool_h == 2 && op.pool_w == 2 && op.stride_h == 2 &&
         op.stride_w == 2 && p.x.height / 2 == p.y.height && p.x.width / 2 == p.y.width &&
         op.padding.top + op.padding.left == 0 && p.x.channels % kLanes == 0;
}

// Adds to `sum`, lane by lane, all cells that are compared with another: it is a number afterwards
// only if each of them is.
template <Cell kind, typename T>
[[gnu::always_inline]] static inline void max_cells_two_by_two(const Pooling& p, const T* upper,
                                                               T* y, uint8_t* cells, Floats& sum) {
  const T* lower = upper + p.x.row;
  Floats total = sum;
  for (int64_t w = 0; w < p.y.width; ++w) {
    Floats best, right, below, opposite;
    Ints cell{};
    load(best, upper);
    load(right, upper + p.x.pixel);
    load(below, lower);
    load(opposite, lower + p.x.pixel);
    keep_larger<kind>(best, cell, right, 1);
    keep_larger<kind>(best, cell, below, 2);
    keep_larger<kind>(best, cell, opposite, 3);
    if constexpr (kind == Cell::kNumber) total += right + below + opposite;
    store(y, best);
    store_cells(cells, p, best, cell);
    upper += 2 * p.x.pixel;
    lower += 2 * p.x.pixel;
    y += p.y.pixel;
    cells += kLanes;
  }
  sum = total;
}

SLUICE_SIMD static void max_row_two_by_two(const Pooling& p, Cell kind, const float* upper,
                                           float* y, uint8_t* cells, Floats& sum) {
  if (kind == Cell::kNumber) {
    max_cells_two_by_two<Cell::kNumber>(p, upper, y, cells, sum);
  } else {
    max_cells_two_by_two<Cell::kMayBeNan>(p, upper, y, cells, sum);
  }
}

SLUICE_SIMD static void max_row_two_by_two(const Pooling& p, Cell kind, const Bfloat16* upper,
                                           Bfloat16* y, uint8_t* cells, Floats& sum) {
  if (kind == Cell::kNumber) {
    max_cells_two_by_two<Cell::kNumber>(p, upper, y, cells, sum);
  } else {
    max_cells_two_by_two<Cell::kMayBeNan>(p, upper, y, cells, sum);
  }
}

SLUICE_SIMD static void max_row(const Pooling& p, int64_t h, int64_t lanes, const float* plane,
                                float* y) {
  for (int64_t w = 0; w < p.y.width; ++w) {
    Floats best;
    Ints cell;
    max_window(p, cells_of(p, h, w), plane, lanes, best, cell);
    store_some(y + w * p.y.pixel, best, lanes);
  }
}

static bool is_number(const Floats& lanes) {
  float sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum == sum;
}

// As if there were no NaN; and, where that was wrong or infinities cancelled, once more.
template <typename T>
static void max_pool_two_by_two(const Pooling& p, int64_t begin, int64_t end, const T* x, T* y,
                                uint8_t* cells) {
  Floats sum{};
  const auto pool_as = [&](Cell kind) {
    for_each_block_of_rows(p, begin, end, [&](const BlockOfRow& at) {
      max_row_two_by_two(p, kind, x + at.x, y + at.y, cells + at.cells, sum);
    });
  };
  pool_as(Cell::kNumber);
  if (!is_number(sum)) pool_as(Cell::kMayBeNan);
}

void max_pool(const Pooling& p, int64_t begin, int64_t end, const float* x, float* y,
              uint8_t* cells) {
  if (remembers_cells(p)) return max_pool_two_by_two(p, begin, end, x, y, cells);
  for (int64_t r = begin; r < end; ++r) {
    const int64_t n = r / p.y.height, h = r % p.y.height;
    for (int64_t b = 0; b < blocks_of(p.x); ++b) {
      max_row(p, h, lanes_of(p.x, b), x + n * p.x.image + b * p.x.block,
              y + n * p.y.image + b * p.y.block + h * p.y.row);
    }
  }
}

void max_pool(const Pooling& p, int64_t begin, int64_t end, const Bfloat16* x, Bfloat16* y,
              uint8_t* cells) {
  max_pool_two_by_two(p, begin, end, x, y, cells);
}

// `Vector` and `Integers` have the width of a T in each lane.
template <typename Vector, typename Integers, typename T>
[[gnu::always_inline]] static inline void route_two_by_two(const Pooling& p, const uint8_t* cells,
                                                           const T* dy, T* upper) {
  T* lower = upper + p.x.row;
  for (int64_t w = 0; w < p.y.width; ++w) {
    Bytes bytes;
    std::memcpy(&bytes, cells, sizeof bytes);
    const Integers cell = __builtin_convertvector(bytes, Integers);
    Vector g;
    load(g, dy);
    const Vector zero{};
    store(upper, cell == 0 ? g : zero);
    store(upper + p.x.pixel, cell == 1 ? g : zero);
    store(lower, cell == 2 ? g : zero);
    store(lower + p.x.pixel, cell == 3 ? g : zero);
    upper += 2 * p.x.pixel;
    lower += 2 * p.x.pixel;
    dy += p.y.pixel;
    cells += kLanes;
  }
}

SLUICE_SIMD static void max_gradient_row_two_by_two(const Pooling& p, const uint8_t* cells,
                                                    const float* dy, float* upper) {
  route_two_by_two<Floats, Ints>(p, cells, dy, upper);
}

SLUICE_SIMD static void max_gradient_row_two_by_two(const Pooling& p, const uint8_t* cells,
                                                    const Bfloat16* dy, Bfloat16* upper) {
  route_two_by_two<Shorts, Shorts>(p, cells, dy, upper);
}

// Finds the largest cells again and adds to their gradients, since windows may overlap.
SLUICE_SIMD static void max_gradient_row(const Pooling& p, int64_t h, int64_t lanes,
                                         const float* plane, const float* dy, float* dx) {
  for (int64_t w = 0; w < p.y.width; ++w) {
    const Cells c = cells_of(p, h, w);
    Floats best;
    Ints cell;
    max_window(p, c, plane, lanes, best, cell);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      if (p.mask == Pooling::Mask::kRelu && !(best[lane] > 0)) continue;
      const int64_t row = c.first_row + cell[lane] / p.op.pool_w;
      const int64_t column = c.first_column + cell[lane] % p.op.pool_w;
      dx[row * p.x.row + column * p.x.pixel + lane] += dy[w * p.y.pixel + lane];
    }
  }
}

template <typename T>
static void max_pool_gradient_two_by_two(const Pooling& p, int64_t begin, int64_t end,
                                         const uint8_t* cells, const T* dy, T* dx) {
  const int64_t width = 2 * p.y.width;
  const auto clear = [&](T* pixel) { std::fill_n(pixel, kLanes, T{}); };
  for_each_block_of_rows(p, begin, end, [&](const BlockOfRow& at) {
    T* upper = dx + at.x;
    max_gradient_row_two_by_two(p, cells + at.cells, dy + at.y, upper);
    // Behind the last windows of an image of odd size.
    if (p.x.width > width) {
      clear(upper + width * p.x.pixel);
      clear(upper + p.x.row + width * p.x.pixel);
    }
    if (p.x.height > 2 * p.y.height && at.is_last) {
      for (int64_t w = 0; w < p.x.width; ++w) clear(upper + 2 * p.x.row + w * p.x.pixel);
    }
  });
}

void max_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const float* x,
                       const uint8_t* cells, const float* dy, float* dx) {
  if (remembers_cells(p)) return max_pool_gradient_two_by_two(p, begin, end, cells, dy, dx);
  for (int64_t r = begin; r < end; ++r) {
    const int64_t n = r / p.y.height, h = r % p.y.height;
    if (h == 0) std::fill_n(dx + n * p.x.image, p.x.image, 0.0f);
    for (int64_t b = 0; b < blocks_of(p.x); ++b) {
      const int64_t plane = n * p.x.image + b * p.x.block;
      max_gradient_row(p, h, lanes_of(p.x, b), x + plane,
                       dy + n * p.y.image + b * p.y.block + h * p.y.row, dx + plane);
    }
  }
}

void max_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const uint8_t* cells,
                       const Bfloat16* dy, Bfloat16* dx) {
  max_pool_gradient_two_by_two(p, begin, end, cells, dy, dx);
}

SLUICE_SIMD static void average_row(const Pooling& p, int64_t h, int64_t lanes, const float* plane,
                                    float* y) {
  for (int64_t w = 0; w < p.y.width; ++w) {
    const Cells c = cells_of(p, h, w);
    Floats sum{};
    for (int64_t i = c.top; i < c.bottom; ++i) {
      for (int64_t j = c.left; j < c.right; ++j) {
        Floats x;
        load_some(x, plane + (c.first_row + i) * p.x.row + (c.first_column + j) * p.x.pixel, lanes);
        sum += x;
      }
    }
    const float count = static_cast<float>((c.bottom - c.top) * (c.right - c.left));
    store_some(y + w * p.y.pixel, sum / count, lanes);
  }
}

SLUICE_SIMD static void average_gradient_row(const Pooling& p, int64_t h, int64_t lanes,
                                             const float* dy, float* plane) {
  for (int64_t w = 0; w < p.y.width; ++w) {
    const Cells c = cells_of(p, h, w);
    const float count = static_cast<float>((c.bottom - c.top) * (c.right - c.left));
    Floats g;
    load_some(g, dy + w * p.y.pixel, lanes);
    g /= count;
    for (int64_t i = c.top; i < c.bottom; ++i) {
      for (int64_t j = c.left; j < c.right; ++j) {
        float* at = plane + (c.first_row + i) * p.x.row + (c.first_column + j) * p.x.pixel;
        Floats sum;
        load_some(sum, at, lanes);
        store_some(at, sum + g, lanes);
      }
    }
  }
}

void average_pool(const Pooling& p, int64_t begin, int64_t end, const float* x, float* y) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t n = r / p.y.height, h = r % p.y.height;
    for (int64_t b = 0; b < blocks_of(p.x); ++b) {
      average_row(p, h, lanes_of(p.x, b), x + n * p.x.image + b * p.x.block,
                  y + n * p.y.image + b * p.y.block + h * p.y.row);
    }
  }
}

void average_pool_gradient(const Pooling& p, int64_t begin, int64_t end, const float* dy,
                           float* dx) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t n = r / p.y.height, h = r % p.y.height;
    if (h == 0) std::fill_n(dx + n * p.x.image, p.x.image, 0.0f);
    for (int64_t b = 0; b < blocks_of(p.x); ++b) {
      average_gradient_row(p, h, lanes_of(p.x, b), dy + n * p.y.image + b * p.y.block + h * p.y.row,
                           dx + n * p.x.image + b * p.x.block);
    }
  }
}

}  // namespace sluice::backend::cpu
