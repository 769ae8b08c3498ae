#include "backend/cpu/weight_rules.h"

#include <algorithm>
#include <cmath>

#include "core/simd.h"

namespace sluice::backend::cpu {

// In eight sums, which a vector holds.
SLUICE_SIMD double penalty_of(const float* w, size_t n, double l1, double l2) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  const auto term = [l1, l2](float x) {
    const double size = std::fabs(static_cast<double>(x));
    return l1 * size + l2 * size * size;
  };
  size_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (size_t k = 0; k < kSums; ++k) sums[k] += term(w[i + k]);
  }
  double sum = 0;
  for (; i < n; ++i) sum += term(w[i]);
  for (const double part : sums) sum += part;
  return sum;
}

WeightRules::WeightRules(std::vector<WeightRule> rules, int threads) : rules_(std::move(rules)) {
  for (const WeightRule& rule : rules_) {
    auto& own = orthogonality_.emplace_back();
    if (rule.orthogonality) own.emplace(*rule.orthogonality, threads);
  }
}

const WeightRule* WeightRules::find(const ParameterSlice& slice) const {
  const auto found = std::ranges::find_if(
      rules_, [&](const WeightRule& rule) { return rule.slice.offset == slice.offset; });
  return found == rules_.end() ? nullptr : &*found;
}

double WeightRules::penalty(const float* values) {
  double sum = 0;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const WeightRule& rule = rules_[i];
    if (orthogonality_[i]) sum += orthogonality_[i]->of(values + rule.slice.offset);
    if (rule.l1 == 0 && rule.l2 == 0) continue;
    sum += penalty_of(values + rule.slice.offset, rule.slice.size, static_cast<double>(rule.l1),
                      static_cast<double>(rule.l2));
  }
  return sum;
}

void WeightRules::add_gradient(const ParameterSlice& slice, const float* values,
                               float* gradients) const {
  const WeightRule* rule = find(slice);
  if (rule == nullptr || !rule->is_penalized()) return;
  for (size_t i = 0; i < slice.size; ++i) gradients[i] += rule->gradient(values[i]);
  const auto& orthogonality = orthogonality_[static_cast<size_t>(rule - rules_.data())];
  if (orthogonality) orthogonality->add_gradient(gradients);
}

void WeightRules::constrain(const ParameterSlice& slice, float* values) const {
  const WeightRule* rule = find(slice);
  if (rule == nullptr) return;
  if (rule->not_negative) {
    for (size_t i = 0; i < slice.size; ++i) values[i] = values[i] < 0 ? 0 : values[i];
  }
  if (!rule->norm) return;
  const NormConstraint& norm = *rule->norm;
  for (int64_t group = 0; group < norm.groups(); ++group) {
    float* w = values + norm.first(group);
    double sum = 0;
    for (int64_t k = 0; k < norm.count; ++k) {
      const auto x = static_cast<double>(w[k * norm.inner]);
      sum += x * x;
    }
    const float scale = norm.scale(static_cast<float>(std::sqrt(sum)));
    for (int64_t k = 0; k < norm.count; ++k) w[k * norm.inner] *= scale;
  }
}

}  // namespace sluice::backend::cpu
