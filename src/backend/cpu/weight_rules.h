// Penalties and constraints of parameters on the CPU (WeightRule in backend/graph.h).
#pragma once

#include <optional>
#include <vector>

#include "backend/cpu/orthogonality.h"
#include "backend/graph.h"

namespace sluice::backend::cpu {

// l1 sum |x| + l2 sum x^2
double penalty_of(const float* x, size_t n, double l1, double l2);

class WeightRules {
 public:
  WeightRules(std::vector<WeightRule> rules, int threads);

  bool has(const ParameterSlice& slice) const { return find(slice) != nullptr; }
  // Of all of them. `values`: all parameters.
  double penalty(const float* values);
  // Both do nothing for a slice without a rule; `values` and `gradients` are the slice's. The
  // gradient follows a penalty() of the same values.
  void add_gradient(const ParameterSlice& slice, const float* values, float* gradients) const;
  void constrain(const ParameterSlice& slice, float* values) const;

 private:
  const WeightRule* find(const ParameterSlice& slice) const;

  const std::vector<WeightRule> rules_;
  std::vector<std::optional<OrthogonalityPenalty>> orthogonality_;  // of each
};

}  // namespace sluice::backend::cpu
