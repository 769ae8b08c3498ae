// What a trained parameter has beside the loss that its gradient comes from: a penalty, which adds
// to both, and a constraint, which it is held to after each step. The arithmetic is the same source
// for all devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#if defined(__CUDACC__)
#define SLUICE_ANY_DEVICE __host__ __device__
#else
#define SLUICE_ANY_DEVICE
#endif

namespace sluice::backend {

// Norms over some axes of a parameter are brought from min_value to max_value, `rate` of the way:
//
//   w = w (rate clip(|w|, min_value, max_value) + (1 - rate) |w|) / (1e-7 + |w|)
//
// |w| is over `count` numbers that lie `inner` apart, for each of outer x inner groups of them.
struct NormConstraint {
  float min_value = 0, max_value = 1, rate = 1;
  int64_t outer = 1, count = 1, inner = 1;

  SLUICE_ANY_DEVICE int64_t groups() const { return outer * inner; }
  // Where a group's first number lies in Keras' layout.
  SLUICE_ANY_DEVICE int64_t first(int64_t group) const {
    return group / inner * count * inner + group % inner;
  }
  SLUICE_ANY_DEVICE float scale(float norm) const {
    const float clipped = norm < min_value ? min_value : norm > max_value ? max_value : norm;
    return (rate * clipped + (1.0f - rate) * norm) / (1e-7f + norm);
  }
};

// A penalty of pairs of vectors, the rows or the columns of a matrix, that are not orthogonal:
//
//   factor / (n (n - 1) / 2) sum over i < j of |z_i z_j|      z_i = w_i min(1 / |w_i|, 1e7)
struct Orthogonality {
  float factor = 0;
  int64_t vectors = 2, size = 1;          // n, at least 2, and the numbers of each
  int64_t vector_stride = 1, stride = 1;  // from one to the next of either

  // Of |z_i z_j|.
  SLUICE_ANY_DEVICE double pair_factor() const {
    const auto n = static_cast<double>(vectors);
    return static_cast<double>(factor) / (n * (n - 1) / 2);
  }
  SLUICE_ANY_DEVICE static float inverse_norm(float norm) {
    return norm > 1e-7f ? 1.0f / norm : 1e7f;
  }
  // Whether z has norm 1, however long w is.
  SLUICE_ANY_DEVICE static bool is_unit(float inverse_norm) { return inverse_norm < 1e7f; }
};

// l1 sum |w| + l2 sum w^2 is added to the loss once, whatever the batch.
SLUICE_ANY_DEVICE inline float penalty_gradient(float l1, float l2, float w) {
  const float sign = w > 0 ? 1.0f : w < 0 ? -1.0f : w;
  return l1 * sign + 2.0f * l2 * w;
}

}  // namespace sluice::backend
