// What a NormalizeOp comes to: where the elements of a group, of a sample and of a weight lie, the
// same on every device.
#pragma once

#include <cstdint>

#include "backend/activation_formulas.h"
#include "backend/graph.h"

namespace sluice::backend {

// Plain values, which kernels are given as they are. A walk goes over the places along some axes of
// the view, row-major, and says of each where it lies: in the sample, and in something else.
struct NormalizationWalk {
  struct Axis {
    int64_t size, stride, other_stride;
  };
  struct Place {
    int64_t at, other;
  };

  Axis axes[NormalizeOp::kMostAxes];
  int count = 0;
  int64_t size = 1;

  SLUICE_FORMULA Place place(int64_t number) const {
    Place place{0, 0};
    for (int k = count; k-- > 0;) {
      const int64_t along = number % axes[k].size;
      number /= axes[k].size;
      place.at += along * axes[k].stride;
      place.other += along * axes[k].other_stride;
    }
    return place;
  }
};

struct NormalizationShape {
  NormalizeOp::Kind kind = NormalizeOp::Kind::kStandard;
  float epsilon = 0;
  int64_t sample = 1;          // elements
  NormalizationWalk groups;    // their first elements, and those elements' weights
  NormalizationWalk elements;  // of a group, from its first; the other is the weight
  NormalizationWalk weights;   // their first elements in a sample, and those elements' groups
  NormalizationWalk shares;    // elements with one weight, from its first; the other is the group

  // 1 / the group's deviation, root mean square or norm, from the variance, the mean of squares or
  // the sum of squares; and whether it depends on x.
  template <typename Number>
  SLUICE_FORMULA float scale(Number spread) const {
    using std::sqrt;
    if (kind == NormalizeOp::Kind::kNone) return 1.0f;
    if (kind != NormalizeOp::Kind::kUnit) {
      return static_cast<float>(1 / sqrt(spread + static_cast<Number>(epsilon)));
    }
    const Number norm = sqrt(spread);
    return static_cast<float>(1 / (norm > static_cast<Number>(epsilon) ? norm : Number(epsilon)));
  }
  SLUICE_FORMULA bool is_bounded(float scale) const {
    return kind == NormalizeOp::Kind::kNone ||
           (kind == NormalizeOp::Kind::kUnit && scale * epsilon > 0.999999f);
  }
  // What the gradient of z loses: dx = scale (dz - a - z b), from sums over the group.
  SLUICE_FORMULA float a(float sum_dz) const {
    return kind == NormalizeOp::Kind::kStandard ? sum_dz / static_cast<float>(elements.size) : 0.0f;
  }
  SLUICE_FORMULA float b(float sum_dz_z, float scale) const {
    if (is_bounded(scale)) return 0.0f;
    return kind == NormalizeOp::Kind::kUnit ? sum_dz_z
                                            : sum_dz_z / static_cast<float>(elements.size);
  }
};

NormalizationShape normalization_of(const NormalizeOp& op);

}  // namespace sluice::backend
