// The losses of a whole batch and their gradients, written once for every device: those whose
// samples are added up or compared with each other (sluice/losses.h). backend/loss_rows.h has the
// losses of single rows.
#pragma once

#include <math.h>

#include <cstdint>
#include <type_traits>
#include <variant>

#include "backend/loss_rows.h"
#include "sluice/losses.h"
#include "sluice/shape.h"

namespace sluice::backend::batch_losses {

template <typename Loss>
inline constexpr bool kOfBatch =
    std::is_same_v<Loss, Dice> || std::is_same_v<Loss, Tversky> || std::is_same_v<Loss, Circle>;

inline bool is_of_batch(const LossSpec& spec) {
  return std::visit([]<typename Loss>(const Loss&) { return kOfBatch<Loss>; }, spec.loss);
}

// --- Overlaps: Dice and Tversky ---

// Along which axes of [N, T, K] each index has a loss of its own; over the others it is summed.
struct Kept {
  bool samples = false, positions = false, outputs = false;
};

// As the loss' `axis` says, for outputs of this shape, [T..., K]. None is kept of other losses.
// Throws ShapeError for an axis that there is not, one that is named twice, and where some of T...
// are named and some are not.
Kept kept_axes(const LossSpec& loss, const Shape& output);

// A batch [N, T, K], and its elements in groups that have a loss each.
struct Groups {
  int64_t samples, positions, outputs;
  Kept kept;

  struct Place {
    int64_t sample, position, output;
  };

  SLUICE_ON_BOTH int64_t count() const {
    return (kept.samples ? samples : 1) * (kept.positions ? positions : 1) *
           (kept.outputs ? outputs : 1);
  }
  // Elements of a group.
  SLUICE_ON_BOTH int64_t size() const { return samples * positions * outputs / count(); }

  SLUICE_ON_DEVICE int64_t group_of(const Place& at) const {
    int64_t group = kept.samples ? at.sample : 0;
    if (kept.positions) group = group * positions + at.position;
    return kept.outputs ? group * outputs + at.output : group;
  }
  // The i-th element of a group.
  SLUICE_ON_DEVICE Place place(int64_t group, int64_t i) const {
    Place at{};
    at.output = next(kept.outputs ? group : i, outputs);
    at.position = next(kept.positions ? group : i, positions);
    at.sample = kept.samples ? group : i;
    return at;
  }

 private:
  static SLUICE_ON_DEVICE int64_t next(int64_t& number, int64_t size) {
    const int64_t digit = number % size;
    number /= size;
    return digit;
  }
};

// Sums over a group.
struct Overlap {
  double both = 0, targets = 0, outputs = 0;  // of y p, y, p

  SLUICE_ON_DEVICE void add(float y, float p) {
    both += static_cast<double>(y) * static_cast<double>(p);
    targets += y;
    outputs += p;
  }
};

// 1 - factor s / (both s + targets sum y + outputs sum p + eps), s = sum y p.
struct Ratio {
  double factor, both, targets, outputs;
};
inline Ratio ratio_of(const Dice&) { return {2, 0, 1, 1}; }
inline Ratio ratio_of(const Tversky& loss) {
  const double alpha = loss.alpha, beta = loss.beta;
  return {1, 1 - alpha - beta, alpha, beta};
}

// The loss of a group, and its derivative by an output p: by_target y + constant.
struct GroupLoss {
  double loss, by_target, constant;
};
SLUICE_ON_DEVICE GroupLoss loss_of_group(const Ratio& ratio, const Overlap& sums) {
  const double divisor = ratio.both * sums.both + ratio.targets * sums.targets +
                         ratio.outputs * sums.outputs + static_cast<double>(loss_rows::kEpsilon);
  const double part = ratio.factor * sums.both / divisor;
  return {1 - part, (part * ratio.both - ratio.factor) / divisor, part * ratio.outputs / divisor};
}

// --- Circle ---

// `row` [N] has the products z_i z_j of a sample i with those of its batch, and gets `scale` times
// the derivatives of i's loss by them. `label(j)` is a sample's class. Lanes: backend/loss_rows.h.
template <typename Lanes, typename Label>
SLUICE_ON_DEVICE float circle_of_row(const Circle& loss, const Lanes& lanes, int64_t samples,
                                     int64_t i, const Label& label, float scale, float* row) {
  const float gamma = loss.gamma, m = loss.margin;
  const auto distance = [&](int64_t j) { return loss_rows::at_least(0, 1 - row[j]); };
  const auto is_near = [&](int64_t j) {
    return label(j) == label(i) && (j != i || !loss.remove_diagonal);
  };
  const auto is_other = [&](int64_t j) { return label(j) != label(i); };
  const auto near_term = [&](int64_t j) {
    const float d = distance(j);
    return -gamma * (m + d) * (m - d);
  };
  const auto other_term = [&](int64_t j) {
    const float d = distance(j);
    return gamma * loss_rows::at_least(0, 1 + m - d) * (1 - m - d);
  };
  const float near_most =
      lanes.max(samples, [&](int64_t j) { return is_near(j) ? near_term(j) : -INFINITY; });
  const float other_most =
      lanes.max(samples, [&](int64_t j) { return is_other(j) ? other_term(j) : -INFINITY; });
  const auto near_sum = static_cast<float>(lanes.sum(
      samples, [&](int64_t j) { return is_near(j) ? expf(near_term(j) - near_most) : 0.0f; }));
  const auto other_sum = static_cast<float>(lanes.sum(
      samples, [&](int64_t j) { return is_other(j) ? expf(other_term(j) - other_most) : 0.0f; }));
  if (near_sum == 0 || other_sum == 0) {
    lanes.each(samples, [&](int64_t j) { row[j] = 0; });
    return 0;
  }
  const float x = near_most + logf(near_sum) + other_most + logf(other_sum);
  const float share = scale * loss_rows::sigmoid(x);
  lanes.each(samples, [&](int64_t j) {
    const float d = distance(j);
    float slope = 0;  // by the distance, which falls as the product rises
    if (is_near(j)) {
      slope = expf(near_term(j) - near_most) / near_sum * 2 * gamma * d;
    } else if (is_other(j) && d < 1 + m) {
      slope = expf(other_term(j) - other_most) / other_sum * 2 * gamma * (d - 1);
    }
    row[j] = row[j] > 1 ? 0.0f : -share * slope;
  });
  return loss_rows::at_least(0, x) + log1pf(expf(-fabsf(x)));
}

}  // namespace sluice::backend::batch_losses
