// The formulas of backend/activation.h, for one element. `Math` computes exp, expm1, log1p, tanh
// and normal_cdf as the device does best: backend/cpu/vector_math.h, backend/cuda/device_math.cuh.
//
// Both branches of what depends on x are computed, so that loops over these can be vectorised: a
// `kind` known to the compiler leaves no other branch.
#pragma once

#include <cmath>

#include "backend/activation.h"

#if defined(__CUDACC__)
#define SLUICE_FORMULA __host__ __device__ __forceinline__
#else
#define SLUICE_FORMULA [[gnu::always_inline]] inline
#endif

namespace sluice::backend {
namespace formulas {

inline constexpr float kSeluScale = 1.05070098735548049342f;
inline constexpr float kSeluAlpha = 1.67326324235437728482f;
inline constexpr float kSqrt2OverPi = 0.79788456080286535588f;
inline constexpr float kCubic = 0.044715f;

// As written, so that NaN stays: a comparison with it is false.
SLUICE_FORMULA float at_most(float x, float most) { return x > most ? most : x; }
SLUICE_FORMULA float at_least(float x, float least) { return x < least ? least : x; }
SLUICE_FORMULA float magnitude(float x) { return x < 0 ? -x : x; }

template <typename Math>
SLUICE_FORMULA float sigmoid(float x) {
  return 1.0f / (1.0f + Math::exp(-x));
}

// tanh(softplus(x)), from e = exp(-|x|): of x >= 0 (1 + 2 e) / (1 + 2 e + 2 e^2).
template <typename Math>
SLUICE_FORMULA float tanh_of_softplus(float x) {
  const float e = Math::exp(-magnitude(x));
  const float square = e * e, twice = e + e;
  const float above = x < 0 ? square + twice : 1.0f + twice;
  const float below = x < 0 ? 2.0f : square + square;
  return above / (above + below);
}

}  // namespace formulas

// y = f(x). Softmax is none of these.
template <typename Math>
SLUICE_FORMULA float activate(const Activation& f, float x) {
  using namespace formulas;
  const float a = f.alpha;
  switch (f.kind) {
    case Activation::kRelu:
      return x > 0 ? x : 0.0f;
    case Activation::kRectifier: {
      const float above =
          f.maximum < Activation::kNoMaximum ? at_most(at_least(x, 0.0f), f.maximum) : x;
      const float below = a * (x - f.threshold);
      return x > f.threshold ? above : below;
    }
    case Activation::kElu: {
      const float below = a * Math::expm1(at_most(x, 0.0f));
      return x > 0 ? x : below;
    }
    case Activation::kSelu: {
      const float below = kSeluAlpha * Math::expm1(at_most(x, 0.0f));
      return kSeluScale * (x > 0 ? x : below);
    }
    case Activation::kCelu: {
      const float below = a * Math::expm1(at_most(x, 0.0f) / a);
      return x > 0 ? x : below;
    }
    case Activation::kGelu:
      return x * Math::normal_cdf(x);
    case Activation::kGeluTanh:  // (1 + tanh(u)) / 2 is sigmoid(2 u)
      return x * sigmoid<Math>(2 * kSqrt2OverPi * (x + kCubic * x * x * x));
    case Activation::kSilu:
      return x * sigmoid<Math>(x);
    case Activation::kMish:
      return x * tanh_of_softplus<Math>(x);
    case Activation::kSigmoid:
      return sigmoid<Math>(x);
    case Activation::kHardSigmoid:
      return at_most(at_least(a * (x + 0.5f / a), 0.0f), 1.0f);
    case Activation::kHardSilu:
      return x * at_most(at_least((x + 3.0f) * (1.0f / 6), 0.0f), 1.0f);
    case Activation::kLogSigmoid:
      return at_most(x, 0.0f) - Math::log1p(Math::exp(-magnitude(x)));
    case Activation::kSparseSigmoid:
      return at_most(at_least(0.5f * (x + 1.0f), 0.0f), 1.0f);
    case Activation::kTanh:
      return Math::tanh(x);
    case Activation::kHardTanh:
      return at_most(at_least(x, -1.0f), 1.0f);
    case Activation::kTanhShrink:
      return x - Math::tanh(x);
    case Activation::kHardShrink:
      return magnitude(x) <= a ? 0.0f : x;
    case Activation::kSoftShrink:
      return x - at_most(at_least(x, -a), a);
    case Activation::kSoftplus:
      return at_least(x, 0.0f) + Math::log1p(Math::exp(-magnitude(x)));
    case Activation::kSparsePlus: {
      const float square = 0.25f * (x + 1.0f) * (x + 1.0f);
      const float curve = x <= -1.0f ? 0.0f : square;
      return x >= 1.0f ? x : curve;
    }
    case Activation::kSquareplus: {  // of x < 0 without the difference of what is almost equal
      const float sum = magnitude(x) + std::sqrt(x * x + a);
      const float below = 0.5f * a / sum, above = 0.5f * sum;
      return x < 0 ? below : above;
    }
    case Activation::kSoftsign:
      return x / (1.0f + magnitude(x));
    case Activation::kExponential:
      return Math::exp(x);
    default:
      return x;
  }
}

// f'(x), from y = f(x), of those that is_differentiable_from_output().
template <typename Math>
SLUICE_FORMULA float derivative_from_output(const Activation& f, float y) {
  using namespace formulas;
  const float a = f.alpha;
  switch (f.kind) {
    case Activation::kRelu:
      return y > 0 ? 1.0f : 0.0f;
    case Activation::kRectifier: {
      // Without a slope there may be a threshold below 0, and outputs down to it.
      const bool is_above = a > 0 ? y > 0 : y != 0;
      return y < f.maximum && is_above ? 1.0f : (y < f.maximum ? a : 0.0f);
    }
    case Activation::kElu: {
      const float below = y + a;
      return y > 0 ? 1.0f : below;
    }
    case Activation::kSelu: {
      const float below = y + kSeluScale * kSeluAlpha;
      return y > 0 ? kSeluScale : below;
    }
    case Activation::kCelu: {
      const float below = y / a + 1.0f;
      return y > 0 ? 1.0f : below;
    }
    case Activation::kSigmoid:
      return y * (1.0f - y);
    case Activation::kHardSigmoid:
      return y > 0 && y < 1 ? a : 0.0f;
    case Activation::kLogSigmoid:
      return -Math::expm1(y);
    case Activation::kSparseSigmoid:
      return y > 0 && y < 1 ? 0.5f : 0.0f;
    case Activation::kTanh:
      return 1.0f - y * y;
    case Activation::kHardTanh:
      return y > -1 && y < 1 ? 1.0f : 0.0f;
    case Activation::kHardShrink:
    case Activation::kSoftShrink:
      return y != 0 ? 1.0f : 0.0f;
    case Activation::kSoftplus:
      return -Math::expm1(-y);
    case Activation::kSparsePlus:
      return std::sqrt(at_most(y, 1.0f));
    case Activation::kSquareplus: {
      const float square = y * y;
      return square / (square + 0.25f * a);
    }
    case Activation::kSoftsign: {
      const float rest = 1.0f - magnitude(y);
      return rest * rest;
    }
    case Activation::kExponential:
      return y;
    default:
      return 1.0f;
  }
}

// f'(x) of the others.
template <typename Math>
SLUICE_FORMULA float derivative_from_input(const Activation& f, float x) {
  using namespace formulas;
  const float a = f.alpha;
  switch (f.kind) {
    case Activation::kRectifier: {
      const bool is_cut = f.maximum < Activation::kNoMaximum && (x < 0 || x > f.maximum);
      return x > f.threshold ? (is_cut ? 0.0f : 1.0f) : a;
    }
    case Activation::kElu: {
      const float below = a * Math::exp(at_most(x, 0.0f));
      return x > 0 ? 1.0f : below;
    }
    case Activation::kGelu: {
      constexpr float kOneOverSqrt2Pi = 0.39894228040143267794f;
      return Math::normal_cdf(x) + x * kOneOverSqrt2Pi * Math::exp(-0.5f * x * x);
    }
    case Activation::kGeluTanh: {
      const float s = sigmoid<Math>(2 * kSqrt2OverPi * (x + kCubic * x * x * x));
      const float slope = 2 * kSqrt2OverPi * (1.0f + 3 * kCubic * x * x);
      return s + x * s * (1.0f - s) * slope;
    }
    case Activation::kSilu: {
      const float s = sigmoid<Math>(x);
      return s + x * s * (1.0f - s);
    }
    case Activation::kMish: {
      const float t = tanh_of_softplus<Math>(x);
      return t + x * (1.0f - t * t) * sigmoid<Math>(x);
    }
    case Activation::kHardSilu: {
      const float inside = x * (1.0f / 3) + 0.5f;
      const float outside = x < 0 ? 0.0f : 1.0f;
      return magnitude(x) < 3.0f ? inside : outside;
    }
    case Activation::kTanhShrink: {
      const float t = Math::tanh(x);
      return t * t;
    }
    default:
      return 1.0f;
  }
}

}  // namespace sluice::backend
