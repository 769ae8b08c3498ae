#include "backend/cpu/routed_gradient.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "backend/cpu/vector.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// The dy of a strip that are not zero, for 16 filters. Each is a word: the dy in the lower half,
// and in the upper one where x's first tap lies, in pixels from the strip's begin.
struct Routes {
  uint32_t words[kLanes][RoutedGradient::kWindows + 1];
  int64_t counts[kLanes];
};

// Appends the windows of two rows of dy to the routes, and adds their dy up.
SLUICE_SIMD void append(int64_t width, const Bfloat16* upper, int32_t pixel, int32_t x_width,
                        Routes& routes, float* totals) {
  const Bfloat16* lower = upper + width * kLanes;
  Floats total;
  load(total, totals);
  for (int64_t w = 0; w < width; w += 2) {
    Shorts cells[4];
    load(cells[0], upper + w * kLanes);
    load(cells[1], upper + (w + 1) * kLanes);
    load(cells[2], lower + w * kLanes);
    load(cells[3], lower + (w + 1) * kLanes);
    const Shorts dy = cells[0] | cells[1] | cells[2] | cells[3];
    const Ints is_right = __builtin_convertvector((cells[1] | cells[3]) != 0, Ints);
    const Ints is_lower = __builtin_convertvector((cells[2] | cells[3]) != 0, Ints);
    const Ints at = pixel + static_cast<int32_t>(w) + (is_right & 1) + (is_lower & x_width);
    const Ints dy_wide = __builtin_convertvector(dy, Ints);
    total += reinterpret_cast<Floats>(dy_wide << 16);
    const Ints joined = at << 16 | (dy_wide & 0xffff);
    uint32_t words[kLanes];
    std::memcpy(words, &joined, sizeof words);
    for (int lane = 0; lane < kLanes; ++lane) {
      // Written in any case, so that there is nothing to predict.
      routes.words[lane][routes.counts[lane]] = words[lane];
      routes.counts[lane] += (words[lane] & 0xffff) != 0;
    }
  }
  store(totals, total);
}

// sums[tap][lane_of(channel)] += x dy over the routes of one filter, two at a time: of an odd
// number the last comes with one of zero behind it.
#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v4,avx512bf16")]] void add_products(int64_t count, const uint32_t* words,
                                                               const Bfloat16* x, int64_t x_width,
                                                               float* sums) {
  constexpr int kTaps = 9;
  const auto* pixels = reinterpret_cast<const __m256i*>(x);
  __m256 low[kTaps], high[kTaps];
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    low[t] = _mm256_loadu_ps(sums + t * kLanes);
    high[t] = _mm256_loadu_ps(sums + t * kLanes + kLanes / 2);
  }
  for (int64_t i = 0; i < count; i += 2) {
    const __m256i* first = pixels + (words[i] >> 16);
    const __m256i* second = pixels + (words[i + 1] >> 16);
    const uint32_t both = (words[i] & 0xffff) | words[i + 1] << 16;
    const auto dy = reinterpret_cast<__m256bh>(_mm256_set1_epi32(static_cast<int>(both)));
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) {
      const int64_t tap = t / 3 * x_width + t % 3;
      const __m256i a = _mm256_loadu_si256(first + tap), b = _mm256_loadu_si256(second + tap);
      const __m256i low_pairs = _mm256_unpacklo_epi16(a, b);
      const __m256i high_pairs = _mm256_unpackhi_epi16(a, b);
      low[t] = _mm256_dpbf16_ps(low[t], dy, reinterpret_cast<__m256bh>(low_pairs));
      high[t] = _mm256_dpbf16_ps(high[t], dy, reinterpret_cast<__m256bh>(high_pairs));
    }
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    _mm256_storeu_ps(sums + t * kLanes, low[t]);
    _mm256_storeu_ps(sums + t * kLanes + kLanes / 2, high[t]);
  }
}
#else
void add_products(int64_t, const uint32_t*, const Bfloat16*, int64_t, float*) {}  // never fits()
#endif

}  // namespace

bool RoutedGradient::fits(const Conv2DOp& op, Type type, const Shape& x, const Shape& y) {
#if defined(__x86_64__)
  const Padding2D& padding = op.padding;
  return op.kernel_h == 3 && op.kernel_w == 3 && op.stride_h == 1 && op.stride_w == 1 &&
         op.dilation_h == 1 && op.dilation_w == 1 && op.groups == 1 &&
         padding.top + padding.bottom + padding.left + padding.right == 0 && x[2] % kLanes == 0 &&
         y[2] % kLanes == 0 && y[0] % 2 == 0 && y[1] % 2 == 0 && y[1] / 2 <= kWindows &&
         (type == Type::kBfloat16 || y[2] <= kMaxFilters);
#else
  return false;
#endif
}

RoutedGradient::RoutedGradient(Type type, const Shape& x, const Shape& y)
    : type_(type), channels_(x[2]), filters_(y[2]), height_(y[0]), width_(y[1]) {}

// In bfloat16 interleaving the halves of two vectors mixes them up.
int64_t RoutedGradient::lane_of(int64_t channel) const {
  if (type_ == Type::kFloat32) return channel % kLanes;
  return channel % 4 + channel / 8 % 2 * 4 + channel / 4 % 2 * 8;
}

// sums: [filter][block of channels][tap][lane_of(channel)], then [filter] of dy alone.
void RoutedGradient::add(const Bfloat16* x, const Bfloat16* dy, float* sums) const {
  const int64_t x_row = (width_ + 2) * kLanes, x_plane = (height_ + 2) * x_row;
  const int64_t dy_row = width_ * kLanes;
  const int64_t strip = 2 * (kWindows / (width_ / 2));
  float* totals = sums + kTaps * channels_ * filters_;
  Routes routes;
  // The routes visit x in no order that the processor could foresee.
  constexpr int64_t kLine = 32;  // numbers in a cache line
  for (int64_t i = 0; i < channels_ / kLanes * x_plane; i += kLine) __builtin_prefetch(x + i, 0, 2);
  for (int64_t filter = 0; filter < filters_; filter += kLanes) {
    for (int64_t begin = 0; begin < height_; begin += strip) {
      std::fill_n(routes.counts, kLanes, 0);
      for (int64_t h = begin; h < std::min(height_, begin + strip); h += 2) {
        const int64_t pixel = (h - begin) * (width_ + 2);
        append(width_, dy + h * dy_row, static_cast<int32_t>(pixel),
               static_cast<int32_t>(width_ + 2), routes, totals + filter);
      }
      for (int64_t lane = 0; lane < kLanes; ++lane) routes.words[lane][routes.counts[lane]] = 0;
      for (int64_t channel = 0; channel < channels_; channel += kLanes) {
        const Bfloat16* from = x + channel / kLanes * x_plane + begin * x_row;
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          add_products(routes.counts[lane], routes.words[lane], from, width_ + 2,
                       sums + kTaps * ((filter + lane) * channels_ + channel));
        }
      }
    }
    dy += height_ * dy_row;
  }
}

void RoutedGradient::finish(int threads, const float* sums, float* kernel, float* bias) const {
  const auto total = [&](int64_t at) {
    float sum = 0;
    for (int i = 0; i < threads; ++i) sum += sums[i * sums_size() + at];
    return sum;
  };
  for (int64_t f = 0; f < filters_; ++f) {
    for (int64_t c = 0; c < channels_; ++c) {
      const int64_t block = kTaps * (f * channels_ + c / kLanes * kLanes);
      for (int64_t t = 0; t < kTaps; ++t) {
        kernel[(t * channels_ + c) * filters_ + f] = total(block + t * kLanes + lane_of(c));
      }
    }
    if (bias != nullptr) bias[f] = total(kTaps * channels_ * filters_ + f);
  }
}

}  // namespace sluice::backend::cpu
