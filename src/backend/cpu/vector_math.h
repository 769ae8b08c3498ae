// Elementary functions without branches, which the compiler vectorises in SLUICE_SIMD loops; the C
// library's are called for one number at a time. Good to 3e-7, relative.
#pragma once

#include <bit>
#include <cstdint>

namespace sluice::backend::cpu {

struct VectorMath {
  // 2^n exp(r) = exp(x), n whole and |r| <= ln(2) / 2.
  struct Reduced {
    float n, r;
    // exp(r) - 1: its Taylor series.
    [[gnu::always_inline]] float minus_one() const {
      const float sum =
          ((((r * (1.0f / 5040) + 1.0f / 720) * r + 1.0f / 120) * r + 1.0f / 24) * r + 1.0f / 6) *
              r +
          0.5f;
      return sum * r * r + r;
    }
  };
  [[gnu::always_inline]] static Reduced reduce(float x) {
    constexpr float kLog2e = 1.44269504088896341f;
    constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // the first has few bits
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: what is added to it becomes whole
    const float n = x * kLog2e + kRound - kRound;
    return {n, x - n * kLn2High - n * kLn2Low};
  }
  // 2^n, n from -126 to 127.
  [[gnu::always_inline]] static float power_of_two(int32_t n) {
    return std::bit_cast<float>((n + 127) << 23);
  }

  [[gnu::always_inline]] static float exp(float x) {
    // Beyond these it is 0 and infinity. NaN passes.
    const float bounded = x > 89.0f ? 89.0f : (x < -104.0f ? -104.0f : x);
    const Reduced reduced = reduce(bounded);
    // In two steps, since 2^n may be larger than any number when the product is not.
    const auto n = static_cast<int32_t>(reduced.n);
    const int32_t half = n >> 1;
    const float value = (1.0f + reduced.minus_one()) * power_of_two(half) * power_of_two(n - half);
    return x != x ? x : value;
  }

  // exp(x) - 1 for x <= 0.
  [[gnu::always_inline]] static float expm1(float x) {
    const float bounded = x < -30.0f ? -30.0f : x;
    const Reduced reduced = reduce(bounded);
    const float scale = power_of_two(static_cast<int32_t>(reduced.n));
    const float value = scale * reduced.minus_one() + (scale - 1.0f);
    return x != x ? x : value;
  }

  // log(1 + u) for u from 0 to 1: 2 artanh(u / (2 + u)), its series.
  [[gnu::always_inline]] static float log1p(float u) {
    const float s = u / (2.0f + u), square = s * s;
    float sum = square * (1.0f / 15) + 1.0f / 13;
    sum = sum * square + 1.0f / 11;
    sum = sum * square + 1.0f / 9;
    sum = sum * square + 1.0f / 7;
    sum = sum * square + 1.0f / 5;
    sum = sum * square + 1.0f / 3;
    return 2.0f * (s + s * square * sum);
  }

  [[gnu::always_inline]] static float tanh(float x) {
    const float power = expm1(x < 0 ? 2.0f * x : -2.0f * x);  // exp(-2 |x|) - 1
    const float value = -power / (2.0f + power);
    return x < 0 ? -value : value;
  }

  // P(X <= x) of a standard normal X: for x < 0 erfc(z) / 2, z = -x / sqrt(2), with erfc(z)
  // exp(z^2) as a polynomial in t = 1 / (1 + 0.45 z), fitted for z up to 35 with an error of 3e-8.
  [[gnu::always_inline]] static float normal_cdf(float x) {
    constexpr float kOneOverSqrt2 = 0.70710678118654752440f;
    const float magnitude = x < 0 ? -x : x;
    const float t = 1.0f / (1.0f + 0.45f * kOneOverSqrt2 * magnitude);
    float sum = t * -4.265633393e-02f + 1.963717290e-01f;
    sum = sum * t - 3.113044644e-01f;
    sum = sum * t + 1.534329478e-01f;
    sum = sum * t - 2.908814369e-02f;
    sum = sum * t + 1.224284197e-01f;
    sum = sum * t + 1.747158752e-01f;
    sum = sum * t + 2.283348488e-01f;
    sum = sum * t + 2.538797109e-01f;
    sum = sum * t + 2.538853801e-01f;
    const float tail = 0.5f * sum * t * exp(-0.5f * x * x);
    return x < 0 ? tail : 1.0f - tail;
  }
};

}  // namespace sluice::backend::cpu
