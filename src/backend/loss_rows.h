// The formulas of all losses and their gradients, written once for every device. Options and
// meanings: sluice/losses.h.
//
// A row is one position of one sample: z [K], what the last layer computed, and its target y [K].
// `Lanes` is how a device goes over a row. Every lane of it calls loss_of_row() with the same
// arguments:
//
//   sum(K, f)                    f(0) + ... + f(K - 1), calling each once; known to every lane
//   max(K, f)                    the largest, likewise; NaN is passed over
//   each(K, f)                   calls f(0), ..., f(K - 1)
//   sum_exp(K, z, most)          the sum of exp(z_j - most)
//   put_exp(K, c, z, most, to)   to_j = c exp(z_j - most)
//
// A NaN among the outputs makes the loss NaN, so that a training that has diverged shows it:
// comparisons here are written for that, where fmaxf() would pass over it.
#pragma once

#include <math.h>

#include <cstdint>

#include "sluice/losses.h"

// A function of the device that this is compiled for; and one that its host calls as well.
#ifdef __CUDACC__
#define SLUICE_ON_DEVICE __device__ inline
#define SLUICE_ON_BOTH __host__ __device__ inline
#else
#define SLUICE_ON_DEVICE inline
#define SLUICE_ON_BOTH inline
#endif

namespace sluice::backend::loss_rows {

inline constexpr float kEpsilon = 1e-7f;

// The target of one row: K numbers, or a class that stands for 1 at its place and 0 elsewhere;
// smoothed to factor y + term.
struct Target {
  const float* values;  // [K], or nullptr
  int64_t number;       // of the class, where there are no values
  float factor = 1, term = 0;

  SLUICE_ON_DEVICE float at(int64_t j) const {
    const float y = values != nullptr ? values[j] : (j == number ? 1.0f : 0.0f);
    return factor * y + term;
  }
};

// Where the rows' targets lie: those of a sample's rows one after another, then its weight.
struct TargetLayout {
  SLUICE_ON_BOTH TargetLayout(int64_t positions_, int64_t width_, bool weighted)
      : positions(positions_), width(width_), stride(positions_ * width_ + (weighted ? 1 : 0)) {}

  int64_t positions, width, stride;

  SLUICE_ON_DEVICE int64_t target(int64_t row) const {
    return row / positions * stride + row % positions * width;
  }
  SLUICE_ON_DEVICE int64_t weight(int64_t row) const { return (row / positions + 1) * stride - 1; }
};

// Keras' label smoothing: a share of the target goes to `outcomes` evenly.
SLUICE_ON_DEVICE Target smoothed(Target target, float smoothing, int64_t outcomes) {
  target.factor = 1 - smoothing;
  target.term = smoothing / static_cast<float>(outcomes);
  return target;
}

SLUICE_ON_DEVICE float at_least(float bound, float x) { return x < bound ? bound : x; }
SLUICE_ON_DEVICE float at_most(float bound, float x) { return x > bound ? bound : x; }
SLUICE_ON_DEVICE float clip(float p) { return at_most(1.0f - kEpsilon, at_least(kEpsilon, p)); }
SLUICE_ON_DEVICE float sign(float x) { return x > 0 ? 1.0f : (x < 0 ? -1.0f : x); }
SLUICE_ON_DEVICE float sigmoid(float z) { return 1.0f / (1.0f + expf(-z)); }

// --- Losses that are a sum or a mean of terms, one for each output ---

struct Term {
  float loss, slope;  // its derivative by the output
};

// sigma(z), and the crossentropy with its derivative by z, or by p where that is what there is.
struct BinaryTerm {
  float p, complement, loss, slope;  // complement: 1 - p
};
SLUICE_ON_DEVICE BinaryTerm binary_term(bool from_logits, float y, float z) {
  if (from_logits) {
    const float p = sigmoid(z);
    return {p, sigmoid(-z), at_least(0, z) - z * y + log1pf(expf(-fabsf(z))), p - y};
  }
  const float q = clip(z);
  return {z, 1 - z, -(y * logf(q) + (1 - y) * log1pf(-q)), q == z ? (q - y) / (q * (1 - q)) : 0.0f};
}

SLUICE_ON_DEVICE Term term_of(const BinaryCrossentropy& loss, float y, float z) {
  const BinaryTerm term = binary_term(loss.from_logits, y, z);
  return {term.loss, term.slope};
}

// (1 - q)^gamma b with 1 - q = y (1 - p) + (1 - y) p, whose derivative by p is 1 - 2 y.
SLUICE_ON_DEVICE Term term_of(const BinaryFocalCrossentropy& loss, float y, float z) {
  const BinaryTerm b = binary_term(loss.from_logits, y, z);
  const float weight =
      loss.apply_class_balancing ? y * loss.alpha + (1 - y) * (1 - loss.alpha) : 1.0f;
  const float missing = y * b.complement + (1 - y) * b.p;
  const float focus = powf(missing, loss.gamma);
  float slope = focus * b.slope;
  if (loss.gamma != 0) {
    const float dp = loss.from_logits ? b.p * b.complement : 1.0f;
    slope += loss.gamma * powf(missing, loss.gamma - 1) * (1 - 2 * y) * dp * b.loss;
  }
  return {weight * focus * b.loss, weight * slope};
}

SLUICE_ON_DEVICE Term term_of(const KLDivergence&, float y, float p) {
  const float target = at_most(1, at_least(kEpsilon, y));
  const float q = at_most(1, at_least(kEpsilon, p));
  return {target * logf(target / q), q == p ? -target / q : 0.0f};
}

SLUICE_ON_DEVICE Term term_of(const Hinge&, float y, float p) {
  const float side = y == 0 ? -1.0f : y;
  const float margin = 1 - side * p;
  return {at_least(0, margin), margin < 0 ? 0.0f : -side};
}

SLUICE_ON_DEVICE Term term_of(const SquaredHinge&, float y, float p) {
  const float side = y == 0 ? -1.0f : y;
  const float margin = at_least(0, 1 - side * p);
  return {margin * margin, -2 * side * margin};
}

SLUICE_ON_DEVICE Term term_of(const MeanSquaredError&, float y, float p) {
  const float error = p - y;
  return {error * error, 2 * error};
}

SLUICE_ON_DEVICE Term term_of(const MeanAbsoluteError&, float y, float p) {
  return {fabsf(p - y), sign(p - y)};
}

SLUICE_ON_DEVICE Term term_of(const MeanAbsolutePercentageError&, float y, float p) {
  const float percent = 100 / at_least(kEpsilon, fabsf(y));
  return {percent * fabsf(p - y), percent * sign(p - y)};
}

SLUICE_ON_DEVICE Term term_of(const MeanSquaredLogarithmicError&, float y, float p) {
  const float q = at_least(kEpsilon, p);
  const float error = log1pf(q) - log1pf(at_least(kEpsilon, y));
  return {error * error, p < kEpsilon ? 0.0f : 2 * error / (1 + q)};
}

SLUICE_ON_DEVICE Term term_of(const Huber& loss, float y, float p) {
  const float error = p - y, size = fabsf(error);
  if (size <= loss.delta) return {0.5f * error * error, error};
  return {loss.delta * size - 0.5f * loss.delta * loss.delta, loss.delta * sign(error)};
}

// log cosh x = |x| + log(1 + exp(-2 |x|)) - log 2
SLUICE_ON_DEVICE Term term_of(const LogCosh&, float y, float p) {
  constexpr float kLog2 = 0.69314718f;
  const float error = p - y, size = fabsf(error);
  return {size + log1pf(expf(-2 * size)) - kLog2, tanhf(error)};
}

SLUICE_ON_DEVICE Term term_of(const Poisson&, float y, float p) {
  const float q = p + kEpsilon;
  return {p - y * logf(q), 1 - y / q};
}

SLUICE_ON_DEVICE float smoothing_of(const BinaryCrossentropy& loss) { return loss.label_smoothing; }
SLUICE_ON_DEVICE float smoothing_of(const BinaryFocalCrossentropy& loss) {
  return loss.label_smoothing;
}
template <typename Loss>
SLUICE_ON_DEVICE float smoothing_of(const Loss&) {
  return 0;
}

// Of how many terms the loss is the mean.
SLUICE_ON_DEVICE int64_t divisor_of(const KLDivergence&, int64_t) { return 1; }
template <typename Loss>
SLUICE_ON_DEVICE int64_t divisor_of(const Loss&, int64_t outputs) {
  return outputs;
}

// --- Losses of a row; `gradient` [K], of scale times the loss, is written unless it is nullptr ---

template <typename Loss, typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const Loss& loss, const Lanes& lanes, int64_t outputs,
                                   const float* z, Target target, float scale, float* gradient) {
  target = smoothed(target, smoothing_of(loss), 2);
  const auto divisor = static_cast<float>(divisor_of(loss, outputs));
  const auto sum = lanes.sum(outputs, [&](int64_t j) {
    const Term term = term_of(loss, target.at(j), z[j]);
    if (gradient != nullptr) gradient[j] = scale / divisor * term.slope;
    return term.loss;
  });
  return static_cast<float>(sum / divisor);
}

// -sum_j y_j log softmax(z)_j, with gradient (sum y) softmax(z) - y
template <typename Lanes>
SLUICE_ON_DEVICE float crossentropy_of_logits(const Lanes& lanes, int64_t outputs, const float* z,
                                              const Target& target, float scale, float* gradient) {
  const float most = lanes.max(outputs, [&](int64_t j) { return z[j]; });
  const auto sum = static_cast<float>(lanes.sum_exp(outputs, z, most));
  const auto mass = lanes.sum(outputs, [&](int64_t j) { return target.at(j); });
  const auto dot = lanes.sum(outputs, [&](int64_t j) {
    const float y = target.at(j);
    return y != 0 ? y * (z[j] - most) : 0.0f;  // what is no part of the target costs nothing
  });
  if (gradient != nullptr) {
    lanes.put_exp(outputs, scale * static_cast<float>(mass) / sum, z, most, gradient);
    lanes.each(outputs, [&](int64_t j) { gradient[j] -= scale * target.at(j); });
  }
  return static_cast<float>(mass * logf(sum) - dot);
}

// -sum_j y_j log clip(q_j) with q = z / sum z
template <typename Lanes>
SLUICE_ON_DEVICE float crossentropy_of_probabilities(const Lanes& lanes, int64_t outputs,
                                                     const float* z, const Target& target,
                                                     float scale, float* gradient) {
  const auto sum = static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return z[j]; }));
  const auto loss = lanes.sum(outputs, [&](int64_t j) {
    const float y = target.at(j);
    return y != 0 ? -y * logf(clip(z[j] / sum)) : 0.0f;
  });
  if (gradient != nullptr) {
    // dloss/dq = -y / q, so dloss/dz_j = (-y_j / q_j + sum_k y_k) / sum, over what is not cut.
    const auto passing = static_cast<float>(lanes.sum(outputs, [&](int64_t j) {
      const float q = z[j] / sum;
      return q == clip(q) ? target.at(j) : 0.0f;
    }));
    lanes.each(outputs, [&](int64_t j) {
      const float q = z[j] / sum;
      const float own = q == clip(q) ? target.at(j) / q : 0.0f;
      gradient[j] = scale / sum * (passing - own);
    });
  }
  return static_cast<float>(loss);
}

template <typename Lanes>
SLUICE_ON_DEVICE float crossentropy(bool from_logits, const Lanes& lanes, int64_t outputs,
                                    const float* z, const Target& target, float scale,
                                    float* gradient) {
  return from_logits ? crossentropy_of_logits(lanes, outputs, z, target, scale, gradient)
                     : crossentropy_of_probabilities(lanes, outputs, z, target, scale, gradient);
}

template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const CategoricalCrossentropy& loss, const Lanes& lanes,
                                   int64_t outputs, const float* z, const Target& target,
                                   float scale, float* gradient) {
  return crossentropy(loss.from_logits, lanes, outputs, z,
                      smoothed(target, loss.label_smoothing, outputs), scale, gradient);
}

template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const SparseCategoricalCrossentropy& loss, const Lanes& lanes,
                                   int64_t outputs, const float* z, const Target& target,
                                   float scale, float* gradient) {
  return crossentropy(loss.from_logits, lanes, outputs, z, target, scale, gradient);
}

// sum_j f(q_j) with f(q) = -y alpha (1 - clip q)^gamma log clip q. With q = z / sum z the gradient
// is (f'(q_j) - sum_k f'(q_k) q_k) / sum; with q = softmax(z), q_j times the bracket.
template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const CategoricalFocalCrossentropy& loss, const Lanes& lanes,
                                   int64_t outputs, const float* z, Target target, float scale,
                                   float* gradient) {
  target = smoothed(target, loss.label_smoothing, outputs);
  const float most = lanes.max(outputs, [&](int64_t j) { return z[j]; });
  const auto sum =
      static_cast<float>(loss.from_logits ? lanes.sum_exp(outputs, z, most)
                                          : lanes.sum(outputs, [&](int64_t j) { return z[j]; }));
  const auto probability = [&](int64_t j) {
    return (loss.from_logits ? expf(z[j] - most) : z[j]) / sum;
  };
  const auto total = lanes.sum(outputs, [&](int64_t j) {
    const float y = target.at(j), q = clip(probability(j));
    return y != 0 ? -y * loss.alpha * powf(1 - q, loss.gamma) * logf(q) : 0.0f;
  });
  if (gradient == nullptr) return static_cast<float>(total);
  const auto slope = [&](int64_t j) {
    const float y = target.at(j), p = probability(j), q = clip(p);
    if (y == 0 || q != p) return 0.0f;
    const float rest = 1 - q;
    const float focus = loss.gamma != 0 ? loss.gamma * powf(rest, loss.gamma - 1) * logf(q) : 0.0f;
    return y * loss.alpha * (focus - powf(rest, loss.gamma) / q);
  };
  const auto dot =
      static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return slope(j) * probability(j); }));
  lanes.each(outputs, [&](int64_t j) {
    const float outer = loss.from_logits ? probability(j) : 1 / sum;
    gradient[j] = scale * outer * (slope(j) - dot);
  });
  return static_cast<float>(total);
}

// (1 - p^q) / q with p = sum_j y_j z_j.
template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const CategoricalGeneralizedCrossEntropy& loss,
                                   const Lanes& lanes, int64_t outputs, const float* z,
                                   const Target& target, float scale, float* gradient) {
  const auto p =
      static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return target.at(j) * z[j]; }));
  if (gradient != nullptr) {
    const float slope = -powf(p, loss.q - 1);
    lanes.each(outputs, [&](int64_t j) {
      const float y = target.at(j);
      gradient[j] = y != 0 ? scale * y * slope : 0.0f;
    });
  }
  return (1 - powf(p, loss.q)) / loss.q;
}

// Outputs that are largest together share the gradient.
template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const CategoricalHinge&, const Lanes& lanes, int64_t outputs,
                                   const float* z, const Target& target, float scale,
                                   float* gradient) {
  const auto other = [&](int64_t j) { return (1 - target.at(j)) * z[j]; };
  const auto own =
      static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return target.at(j) * z[j]; }));
  const float most = lanes.max(outputs, other);
  const float margin = most - own + 1;
  if (gradient != nullptr) {
    const auto largest = static_cast<float>(
        lanes.sum(outputs, [&](int64_t j) { return other(j) == most ? 1.0f : 0.0f; }));
    lanes.each(outputs, [&](int64_t j) {
      const float y = target.at(j);
      const float share = other(j) == most ? (1 - y) / largest : 0.0f;
      gradient[j] = margin < 0 ? 0.0f : scale * (share - y);
    });
  }
  return at_least(0, margin);
}

template <typename Lanes>
SLUICE_ON_DEVICE float loss_of_row(const CosineSimilarity&, const Lanes& lanes, int64_t outputs,
                                   const float* z, const Target& target, float scale,
                                   float* gradient) {
  const auto z_squares =
      static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return z[j] * z[j]; }));
  const auto y_squares = static_cast<float>(
      lanes.sum(outputs, [&](int64_t j) { return target.at(j) * target.at(j); }));
  const auto dot =
      static_cast<float>(lanes.sum(outputs, [&](int64_t j) { return target.at(j) * z[j]; }));
  const float z_factor = at_most(1 / kEpsilon, 1 / sqrtf(z_squares));
  const float y_factor = at_most(1 / kEpsilon, 1 / sqrtf(y_squares));
  const float cosine = dot * z_factor * y_factor;
  if (gradient != nullptr) {
    // Where the norm is cut off at epsilon, it is a constant.
    const float along = z_factor < 1 / kEpsilon ? cosine * z_factor * z_factor : 0.0f;
    lanes.each(outputs, [&](int64_t j) {
      gradient[j] = scale * (along * z[j] - target.at(j) * z_factor * y_factor);
    });
  }
  return -cosine;
}

}  // namespace sluice::backend::loss_rows
