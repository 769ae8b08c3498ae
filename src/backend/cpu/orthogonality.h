// The penalty of vectors that are not orthogonal on the CPU (Orthogonality in
// backend/weight_rule.h).
#pragma once

#include <vector>

#include "backend/weight_rule.h"

namespace sluice::backend::cpu {

class OrthogonalityPenalty {
 public:
  OrthogonalityPenalty(const Orthogonality& shape, int threads);

  double of(const float* w);
  // Of the weights that the penalty was last asked of.
  void add_gradient(float* gradient) const;

 private:
  const float* unit(int64_t vector) const { return units_.data() + vector * shape_.size; }

  const Orthogonality shape_;
  const int threads_;
  std::vector<float> units_;          // [n, size]: z
  std::vector<float> inverse_norms_;  // [n]
  std::vector<double> sums_;          // [n]: over the other vectors, of |z_i z_j|
};

}  // namespace sluice::backend::cpu
