// Register tiles of small matrix products, for one vector type; the caller's target attribute says
// which instructions they become. Included by dense_loops.cc and its test only.
#pragma once

#include <cstdint>
#include <cstring>

#include "backend/cpu/dense_loops.h"

namespace sluice::backend::cpu::tiles {

template <int kBytes>
struct VectorOf {
  using Type __attribute__((vector_size(kBytes))) = float;
  static constexpr int kLanes = kBytes / 4;
};

// products[r][c] = sum over k < depth of a[r a_row + k a_step] * b[k b_row + c lanes ...].
template <typename V, int kRows, int kColumns>
[[gnu::always_inline]] inline void multiply(int64_t depth, const float* a, int64_t a_row,
                                            int64_t a_step, const float* b, int64_t b_row,
                                            typename V::Type (&products)[kRows][kColumns]) {
  using Type = typename V::Type;
#pragma GCC unroll 32
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) products[r][c] = Type{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    Type line[kColumns];
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) std::memcpy(&line[c], b + c * V::kLanes, sizeof(Type));
#pragma GCC unroll 32
    for (int r = 0; r < kRows; ++r) {
      const float factor = a[r * a_row];
#pragma GCC unroll 4
      for (int c = 0; c < kColumns; ++c) products[r][c] += line[c] * factor;
    }
    a += a_step;
    b += b_row;
  }
}

// dx[rows of the batch, r] for kRows rows of W from `w` and a few vectors of batch rows.
template <typename V, int kRows, int kColumns>
[[gnu::always_inline]] inline void input_tile(const DenseShape& s, int64_t first_row,
                                              const float* w, const float* columns, float* dx) {
  typename V::Type products[kRows][kColumns];
  multiply<V, kRows, kColumns>(s.units, w, s.units, 1, columns + first_row, s.padded_rows(),
                               products);
  constexpr int64_t kBatchRows = kColumns * V::kLanes;
  float transposed[kRows][kBatchRows];
  std::memcpy(transposed, products, sizeof products);
  const int64_t rows = s.rows - first_row < kBatchRows ? s.rows - first_row : kBatchRows;
  for (int64_t n = 0; n < rows; ++n) {
    float* to = dx + (first_row + n) * s.features;
#pragma GCC unroll 32
    for (int r = 0; r < kRows; ++r) to[r] = transposed[r][n];
  }
}

// dw[r, units from `first_unit`] for kRows columns of the block of x, which is `width` wide.
template <typename V, int kRows, int kColumns>
[[gnu::always_inline]] inline void kernel_tile(const DenseShape& s, int64_t first_unit,
                                               const float* x, int64_t width, const float* lines,
                                               float* dw) {
  typename V::Type products[kRows][kColumns];
  multiply<V, kRows, kColumns>(s.rows, x, 1, width, lines + first_unit, s.padded_units(), products);
  constexpr int64_t kWidth = kColumns * V::kLanes;
  const int64_t left = s.units - first_unit;
  if (left >= kWidth) {
#pragma GCC unroll 32
    for (int r = 0; r < kRows; ++r) {
      std::memcpy(dw + r * s.units + first_unit, products[r], sizeof products[r]);
    }
    return;
  }
#pragma GCC unroll 32
  for (int r = 0; r < kRows; ++r) {
    float* to = dw + r * s.units + first_unit;
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) {
      const int64_t lanes = left - c * V::kLanes;
      if (lanes >= V::kLanes) {
        std::memcpy(to + c * V::kLanes, &products[r][c], sizeof products[r][c]);
      } else {
        for (int64_t i = 0; i < lanes; ++i) to[c * V::kLanes + i] = products[r][c][i];
      }
    }
  }
}

// Rows [begin, end) in tiles of kRows, then 4, then 1: tile(constant rows, first row).
template <int kRows, typename Tile>
[[gnu::always_inline]] inline void in_tiles(int64_t begin, int64_t end, const Tile& tile) {
  for (; begin + kRows <= end; begin += kRows) tile.template operator()<kRows>(begin);
  for (; begin + 4 <= end; begin += 4) tile.template operator()<4>(begin);
  for (; begin < end; ++begin) tile.template operator()<1>(begin);
}

template <typename V, int kRows, int kColumns>
[[gnu::always_inline]] inline void input_gradient(const DenseShape& s, int64_t begin, int64_t end,
                                                  const float* w, const float* columns, float* dx) {
  int64_t n = 0;
  for (; n + (kColumns - 1) * V::kLanes < s.rows; n += kColumns * V::kLanes) {
    in_tiles<kRows>(
        begin, end, [&]<int kTile>(int64_t f) __attribute__((always_inline)) {
          input_tile<V, kTile, kColumns>(s, n, w + f * s.units, columns, dx + f);
        });
  }
  for (; n < s.rows; n += V::kLanes) {
    in_tiles<2 * kRows>(
        begin, end, [&]<int kTile>(int64_t f) __attribute__((always_inline)) {
          input_tile<V, kTile, 1>(s, n, w + f * s.units, columns, dx + f);
        });
  }
}

template <typename V, int kRows, int kColumns>
[[gnu::always_inline]] inline void kernel_gradient(const DenseShape& s, int64_t count,
                                                   const float* x_block, const float* lines,
                                                   float* dw) {
  int64_t u = 0;
  for (; u + (kColumns - 1) * V::kLanes < s.units; u += kColumns * V::kLanes) {
    in_tiles<kRows>(
        0, count, [&]<int kTile>(int64_t f) __attribute__((always_inline)) {
          kernel_tile<V, kTile, kColumns>(s, u, x_block + f, count, lines, dw + f * s.units);
        });
  }
  for (; u < s.units; u += V::kLanes) {
    in_tiles<kRows>(
        0, count, [&]<int kTile>(int64_t f) __attribute__((always_inline)) {
          kernel_tile<V, kTile, 1>(s, u, x_block + f, count, lines, dw + f * s.units);
        });
  }
}

}  // namespace sluice::backend::cpu::tiles
