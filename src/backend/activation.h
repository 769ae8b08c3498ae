// Activation functions: which there are, and their parameters. backend/activation_formulas.h has
// the formulas, for all devices.
#pragma once

#include <cstdint>
#include <limits>

namespace sluice::backend {

// Those that are computed element by element. `a` is Activation::alpha: any number of kRectifier
// and kElu, at least 0 of the shrinking ones, else above 0.
//
//   kLinear         x
//   kRelu           max(x, 0); of NaN 0 on the CPU, whose ReLU is oneDNN's. cuDNN's gives NaN. Its
//                   derivative at NaN is 0. All others but kRectifier keep NaN
//   kRectifier      x > threshold ? min(max(x, 0), maximum) : a (x - threshold). Without a maximum
//                   x is not cut at 0 either. NaN may become 0
//   kElu            x > 0 ? x : a (exp(x) - 1)              Clevert et al., 2015
//   kSelu           1.0507 elu(x), a = 1.6733               Klambauer et al., 2017
//   kCelu           x > 0 ? x : a (exp(x / a) - 1)          Barron, 2017
//   kGelu           x P(X <= x), X normal                   Hendrycks & Gimpel, 2016
//   kGeluTanh       x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
//   kSilu           x sigmoid(x)                            Ramachandran et al., 2017
//   kMish           x tanh(softplus(x))                     Misra, 2019
//   kSigmoid        1 / (1 + exp(-x))
//   kHardSigmoid    a x + 1/2, cut to [0, 1]
//   kHardSilu       x hard_sigmoid(x)                       Howard et al., 2019
//   kLogSigmoid     log(sigmoid(x))
//   kSparseSigmoid  (x + 1) / 2, cut to [0, 1]
//   kTanh           tanh(x)
//   kHardTanh       x, cut to [-1, 1]
//   kTanhShrink     x - tanh(x)
//   kHardShrink     |x| > a ? x : 0
//   kSoftShrink     x > a ? x - a : x < -a ? x + a : 0
//   kSoftplus       log(1 + exp(x))
//   kSparsePlus     x <= -1 ? 0 : x < 1 ? (x + 1)^2 / 4 : x
//   kSquareplus     (x + sqrt(x^2 + a)) / 2                 Barron, 2021
//   kSoftsign       x / (1 + |x|)
//   kExponential    exp(x)
#define SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(X) \
  X(kLinear)                                      \
  X(kRelu)                                        \
  X(kRectifier)                                   \
  X(kElu)                                         \
  X(kSelu)                                        \
  X(kCelu)                                        \
  X(kGelu)                                        \
  X(kGeluTanh)                                    \
  X(kSilu)                                        \
  X(kMish)                                        \
  X(kSigmoid)                                     \
  X(kHardSigmoid)                                 \
  X(kHardSilu)                                    \
  X(kLogSigmoid)                                  \
  X(kSparseSigmoid)                               \
  X(kTanh)                                        \
  X(kHardTanh)                                    \
  X(kTanhShrink)                                  \
  X(kHardShrink)                                  \
  X(kSoftShrink)                                  \
  X(kSoftplus)                                    \
  X(kSparsePlus)                                  \
  X(kSquareplus)                                  \
  X(kSoftsign)                                    \
  X(kExponential)

struct Activation {
#define SLUICE_KIND(kind) kind,
  enum Kind : uint8_t {
    SLUICE_FOR_EACH_ELEMENTWISE_ACTIVATION(SLUICE_KIND)
    // Over an axis: exp(x_k) / sum_j exp(x_j), and its logarithm.
    kSoftmax,
    kLogSoftmax
  };
#undef SLUICE_KIND
  static constexpr float kNoMaximum = std::numeric_limits<float>::infinity();

  Kind kind = kLinear;
  float alpha = 0;      // the kind's `a`
  float threshold = 0;  // kRectifier's
  float maximum = kNoMaximum;

  // With Keras' default of alpha.
  constexpr Activation(Kind of_kind = kLinear) : kind(of_kind), alpha(default_alpha(of_kind)) {}
  constexpr Activation(Kind of_kind, float with_alpha) : kind(of_kind), alpha(with_alpha) {}
  // kRelu where it is no more than that.
  static constexpr Activation rectifier(float slope, float threshold = 0,
                                        float maximum = kNoMaximum) {
    const bool plain = slope == 0 && threshold == 0 && maximum == kNoMaximum;
    Activation activation(plain ? kRelu : kRectifier, slope);
    activation.threshold = threshold;
    activation.maximum = maximum;
    return activation;
  }
  static constexpr float default_alpha(Kind kind) {
    switch (kind) {
      case kElu:
      case kCelu:
        return 1;
      case kHardSigmoid:
        return 1.0f / 6;  // of Keras 3; 0.2 in Keras 2
      case kHardShrink:
      case kSoftShrink:
        return 0.5f;
      case kSquareplus:
        return 4;
      default:
        return 0;
    }
  }

  constexpr bool is_elementwise() const { return kind != kSoftmax && kind != kLogSoftmax; }

  // Whether f'(x) follows from y = f(x), but where f has a kink. Then y can be written over x.
  constexpr bool is_differentiable_from_output() const {
    switch (kind) {
      case kRectifier:
        return alpha == 0 || (alpha > 0 && threshold == 0);
      case kElu:
        return alpha >= 0;
      case kGelu:
      case kGeluTanh:
      case kSilu:
      case kMish:
      case kHardSilu:
      case kTanhShrink:
        return false;
      default:
        return is_elementwise();
    }
  }

  friend constexpr bool operator==(const Activation&, const Activation&) = default;
};

}  // namespace sluice::backend
