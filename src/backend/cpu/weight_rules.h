// Penalties and constraints of parameters on the CPU (WeightRule in backend/graph.h).
#pragma once

#include <vector>

#include "backend/graph.h"

namespace sluice::backend::cpu {

class WeightRules {
 public:
  explicit WeightRules(std::vector<WeightRule> rules) : rules_(std::move(rules)) {}

  bool has(const ParameterSlice& slice) const { return find(slice) != nullptr; }
  // Of all of them. `values`: all parameters.
  double penalty(const float* values) const;
  // Both do nothing for a slice without a rule; `values` and `gradients` are the slice's.
  void add_gradient(const ParameterSlice& slice, const float* values, float* gradients) const;
  void constrain(const ParameterSlice& slice, float* values) const;

 private:
  const WeightRule* find(const ParameterSlice& slice) const;

  const std::vector<WeightRule> rules_;
};

}  // namespace sluice::backend::cpu
