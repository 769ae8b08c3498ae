// Of each vector i, whose own memory a thread has:
//
//   s_i = sum over j of |z_i z_j|          penalty = f / 2 sum of s_i
//   dw_i = f / |w_i| (sum over j of sign(z_i z_j) z_j - s_i z_i)
//
// with j != i and f the factor of a pair.
#include "backend/cpu/orthogonality.h"

#include <cmath>
#include <numeric>

#include "backend/cpu/parallel.h"
#include "core/simd.h"

namespace sluice::backend::cpu {
namespace {

// In lanes that vectors hold.
SLUICE_SIMD float dot(int64_t n, const float* a, const float* b) {
  constexpr int kLanes = 16;
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

SLUICE_SIMD void add_scaled(int64_t n, float factor, const float* z, int64_t stride, float* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i * stride] += factor * z[i];
}

}  // namespace

OrthogonalityPenalty::OrthogonalityPenalty(const Orthogonality& shape, int threads)
    : shape_(shape),
      threads_(threads),
      units_(static_cast<size_t>(shape.vectors * shape.size)),
      inverse_norms_(static_cast<size_t>(shape.vectors)),
      sums_(inverse_norms_.size()) {}

double OrthogonalityPenalty::of(const float* w) {
  for (int64_t i = 0; i < shape_.vectors; ++i) {
    float* const z = units_.data() + i * shape_.size;
    for (int64_t k = 0; k < shape_.size; ++k) {
      z[k] = w[i * shape_.vector_stride + k * shape_.stride];
    }
    float& inverse = inverse_norms_[static_cast<size_t>(i)];
    inverse = Orthogonality::inverse_norm(std::sqrt(dot(shape_.size, z, z)));
    for (int64_t k = 0; k < shape_.size; ++k) z[k] *= inverse;
  }
  parallel_for(threads_, shape_.vectors, 1, [this](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double& sum = sums_[static_cast<size_t>(i)] = 0;
      for (int64_t j = 0; j < shape_.vectors; ++j) {
        if (j != i) sum += std::fabs(static_cast<double>(dot(shape_.size, unit(i), unit(j))));
      }
    }
  });
  return shape_.pair_factor() / 2 * std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

void OrthogonalityPenalty::add_gradient(float* gradient) const {
  parallel_for(threads_, shape_.vectors, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float inverse = inverse_norms_[static_cast<size_t>(i)];
      const double scale = shape_.pair_factor() * static_cast<double>(inverse);
      const auto add = [&](double factor, int64_t vector) {
        add_scaled(shape_.size, static_cast<float>(scale * factor), unit(vector), shape_.stride,
                   gradient + i * shape_.vector_stride);
      };
      for (int64_t j = 0; j < shape_.vectors; ++j) {
        const float cosine = j == i ? 0.0f : dot(shape_.size, unit(i), unit(j));
        if (cosine != 0) add(cosine > 0 ? 1 : -1, j);
      }
      if (Orthogonality::is_unit(inverse)) add(-sums_[static_cast<size_t>(i)], i);
    }
  });
}

}  // namespace sluice::backend::cpu
