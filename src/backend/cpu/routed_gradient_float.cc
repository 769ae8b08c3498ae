// Both gradients in float32. Each is bound by its loads: one of 64 bytes, from the first-level
// cache, for each multiplication of 16 numbers.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "backend/cpu/routed_gradient.h"
#include "backend/cpu/vector.h"

namespace sluice::backend::cpu {
namespace {

constexpr int kTaps = 9;
// Of one block of x's channels, so that it stays in the first-level cache with the sums.
constexpr int64_t kStripBytes = 24 << 10;

// A dy that is not zero, and where x's first tap lies: floats from the strip's begin.
struct Route {
  float dy;
  int32_t x;
};

// Those of a strip, for 16 filters.
struct Routes {
  Route of[kLanes][RoutedGradient::kWindows];
  int64_t counts[kLanes];
};

#if defined(__x86_64__)

// Appends the windows of two rows of dy to the routes, and adds their dy up.
[[gnu::target("arch=x86-64-v4")]] void append(int64_t width, const float* upper, int32_t x,
                                              int32_t x_row, Routes& routes, float* totals) {
  const float* lower = upper + width * kLanes;
  const __m512 zero = _mm512_setzero_ps();
  // Dy and place of each lane side by side: of the first eight, and of the others.
  const __m512i first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i others = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  __m512 total = _mm512_loadu_ps(totals);
  for (int64_t w = 0; w < width; w += 2) {
    const __m512 left = _mm512_loadu_ps(upper + w * kLanes);
    const __m512 right = _mm512_loadu_ps(upper + (w + 1) * kLanes);
    const __m512 below = _mm512_loadu_ps(lower + w * kLanes);
    const __m512 opposite = _mm512_loadu_ps(lower + (w + 1) * kLanes);
    const __m512 dy = _mm512_add_ps(_mm512_add_ps(left, right), _mm512_add_ps(below, opposite));
    const unsigned is_opposite = _mm512_cmp_ps_mask(opposite, zero, _CMP_NEQ_UQ);
    const unsigned is_right = _mm512_cmp_ps_mask(right, zero, _CMP_NEQ_UQ) | is_opposite;
    const unsigned is_lower = _mm512_cmp_ps_mask(below, zero, _CMP_NEQ_UQ) | is_opposite;
    const unsigned is_any = _mm512_cmp_ps_mask(left, zero, _CMP_NEQ_UQ) | is_right | is_lower;
    __m512i place = _mm512_set1_epi32(x + static_cast<int32_t>(w * kLanes));
    place = _mm512_mask_add_epi32(place, static_cast<__mmask16>(is_right), place,
                                  _mm512_set1_epi32(static_cast<int32_t>(kLanes)));
    place = _mm512_mask_add_epi32(place, static_cast<__mmask16>(is_lower), place,
                                  _mm512_set1_epi32(x_row));
    total = _mm512_add_ps(total, dy);
    Route joined[kLanes];
    const __m512i bits = _mm512_castps_si512(dy);
    _mm512_storeu_si512(joined, _mm512_permutex2var_epi32(bits, first, place));
    _mm512_storeu_si512(joined + 8, _mm512_permutex2var_epi32(bits, others, place));
#pragma GCC unroll 16
    for (int lane = 0; lane < kLanes; ++lane) {
      // Written in any case, so that there is nothing to predict.
      const int64_t count = routes.counts[lane];
      routes.of[lane][count] = joined[lane];
      routes.counts[lane] = count + (is_any >> lane & 1);
    }
  }
  _mm512_storeu_ps(totals, total);
}

// sums[tap][channel] += x dy over the routes of one filter.
[[gnu::target("arch=x86-64-v4")]] void add_products(int64_t count, const Route* routes,
                                                    const float* x, int64_t x_row, float* sums) {
  __m512 total[kTaps];
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) total[t] = _mm512_loadu_ps(sums + t * kLanes);
  for (int64_t i = 0; i < count; ++i) {
    const float* from = x + routes[i].x;
    const __m512 factor = _mm512_set1_ps(routes[i].dy);
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) {
      const __m512 pixel = _mm512_loadu_ps(from + t / 3 * x_row + t % 3 * kLanes);
      total[t] = _mm512_fmadd_ps(factor, pixel, total[t]);
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) _mm512_storeu_ps(sums + t * kLanes, total[t]);
}

// patch[row][column] += kernel dy for the filters that the mask has, whose dy belongs to pixel
// (row, column) of the window. The patch is the 4 x 4 pixels of x that a window of dy reaches.
template <int row, int column>
[[gnu::target("arch=x86-64-v4"), gnu::always_inline]] inline void add_kernels(uint64_t mask,
                                                                              const float* dy,
                                                                              const float* kernel,
                                                                              __m512* patch) {
  for (; mask != 0; mask &= mask - 1) {
    const int filter = __builtin_ctzll(mask);
    const __m512 factor = _mm512_set1_ps(dy[filter]);
    const float* taps = kernel + filter * (kTaps * kLanes);
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) {
      __m512& to = patch[(t / 3 + row) * 4 + t % 3 + column];
      to = _mm512_fmadd_ps(factor, _mm512_loadu_ps(taps + t * kLanes), to);
    }
  }
}

// The dy of one window, of all filters: what they are, and which of its pixels they belong to.
struct Window {
  alignas(64) float dy[RoutedGradient::kMaxFilters];
  uint64_t masks[4];
};

[[gnu::target("arch=x86-64-v4")]] inline void load_window(int64_t filters, int64_t plane,
                                                          int64_t row, const float* upper,
                                                          Window& window) {
  std::fill_n(window.masks, 4, 0);
  const __m512 zero = _mm512_setzero_ps();
  for (int64_t f = 0; f < filters; f += kLanes, upper += plane) {
    const float* pixels[] = {upper, upper + kLanes, upper + row, upper + row + kLanes};
    __m512 sum = zero;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512 dy = _mm512_loadu_ps(pixels[i]);
      const uint64_t mask = _mm512_cmp_ps_mask(dy, zero, _CMP_NEQ_UQ);
      window.masks[i] |= mask << f;
      sum = _mm512_add_ps(sum, dy);
    }
    _mm512_store_ps(window.dy + f, sum);
  }
}

[[gnu::target("arch=x86-64-v4"), gnu::always_inline]] inline void keep(const __m512& sum,
                                                                       bool is_first, float* to) {
  _mm512_storeu_ps(to, is_first ? sum : _mm512_add_ps(sum, _mm512_loadu_ps(to)));
}

// One row of windows of dy, for one block of dx's channels: two rows of dx are completed, and two
// begun. `first`: so are the former.
[[gnu::target("arch=x86-64-v4")]] void spread_row(int64_t filters, int64_t width, int64_t dy_plane,
                                                  const float* dy, const float* kernel, bool first,
                                                  float* dx) {
  const int64_t dy_row = width * kLanes, dx_row = (width + 2) * kLanes;
  __m512 patch[16];
#pragma GCC unroll 16
  for (__m512& pixel : patch) pixel = _mm512_setzero_ps();
  for (int64_t w = 0; w < width; w += 2) {
    Window window;
    load_window(filters, dy_plane, dy_row, dy + w * kLanes, window);
    add_kernels<0, 0>(window.masks[0], window.dy, kernel, patch);
    add_kernels<0, 1>(window.masks[1], window.dy, kernel, patch);
    add_kernels<1, 0>(window.masks[2], window.dy, kernel, patch);
    add_kernels<1, 1>(window.masks[3], window.dy, kernel, patch);
    // The next window adds to the right half.
#pragma GCC unroll 4
    for (int row = 0; row < 4; ++row) {
      float* to = dx + row * dx_row + w * kLanes;
      keep(patch[row * 4], first || row >= 2, to);
      keep(patch[row * 4 + 1], first || row >= 2, to + kLanes);
      patch[row * 4] = patch[row * 4 + 2];
      patch[row * 4 + 1] = patch[row * 4 + 3];
      patch[row * 4 + 2] = patch[row * 4 + 3] = _mm512_setzero_ps();
    }
  }
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row) {
    float* to = dx + row * dx_row + width * kLanes;
    keep(patch[row * 4], first || row >= 2, to);
    keep(patch[row * 4 + 1], first || row >= 2, to + kLanes);
  }
}

#else  // never fits()

void append(int64_t, const float*, int32_t, int32_t, Routes&, float*) {}
void add_products(int64_t, const Route*, const float*, int64_t, float*) {}
void spread_row(int64_t, int64_t, int64_t, const float*, const float*, bool, float*) {}

#endif

}  // namespace

// sums: [filter][block of channels][tap][channel], then [filter] of dy alone.
void RoutedGradient::add(const float* x, const float* dy, float* sums) const {
  const int64_t x_row = (width_ + 2) * kLanes, x_plane = (height_ + 2) * x_row;
  const int64_t dy_row = width_ * kLanes;
  const int64_t row_bytes = x_row * static_cast<int64_t>(sizeof(float));
  const int64_t fitting = std::max<int64_t>(1, (kStripBytes / row_bytes - 2) / 2);
  const int64_t strip = 2 * std::min(fitting, kWindows / (width_ / 2));
  float* totals = sums + kTaps * channels_ * filters_;
  Routes routes;
  for (int64_t filter = 0; filter < filters_; filter += kLanes) {
    for (int64_t begin = 0; begin < height_; begin += strip) {
      std::fill_n(routes.counts, kLanes, 0);
      for (int64_t h = begin; h < std::min(height_, begin + strip); h += 2) {
        append(width_, dy + h * dy_row, static_cast<int32_t>((h - begin) * x_row),
               static_cast<int32_t>(x_row), routes, totals + filter);
      }
      for (int64_t channel = 0; channel < channels_; channel += kLanes) {
        const float* from = x + channel / kLanes * x_plane + begin * x_row;
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          add_products(routes.counts[lane], routes.of[lane], from, x_row,
                       sums + kTaps * ((filter + lane) * channels_ + channel));
        }
      }
    }
    dy += height_ * dy_row;
  }
}

void RoutedGradient::spread(const float* kernel, const float* dy, float* dx) const {
  const int64_t dx_row = (width_ + 2) * kLanes, dx_plane = (height_ + 2) * dx_row;
  const int64_t dy_row = width_ * kLanes, dy_plane = height_ * dy_row;
  for (int64_t channel = 0; channel < channels_; channel += kLanes) {
    for (int64_t h = 0; h < height_; h += 2) {
      spread_row(filters_, width_, dy_plane, dy + h * dy_row, kernel, h == 0, dx + h * dx_row);
    }
    kernel += filters_ * kTaps * kLanes;
    dx += dx_plane;
  }
}

}  // namespace sluice::backend::cpu
