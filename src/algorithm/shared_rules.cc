#include "algorithm/shared_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/simd.h"

namespace sluice::algorithm {
namespace {

SLUICE_SIMD void add(const float* __restrict a, const float* __restrict b, float* __restrict sum,
                     size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}

SLUICE_SIMD void add_product(const float* __restrict a, const float* __restrict b, float factor,
                             float* __restrict sum, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] = a[i] + factor * b[i];
}

SLUICE_SIMD void accumulate(const float* __restrict a, float factor, float* __restrict sum,
                            size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] += factor * a[i];
}

SLUICE_SIMD void multiply(const float* __restrict a, float factor, float* __restrict product,
                          size_t n) {
  for (size_t i = 0; i < n; ++i) product[i] = a[i] * factor;
}

// result = old + factor (result - old)
SLUICE_SIMD void shorten(const float* __restrict old_values, float factor, float* __restrict result,
                         size_t n) {
  for (size_t i = 0; i < n; ++i) result[i] = old_values[i] + factor * (result[i] - old_values[i]);
}

class ReplaceRule final : public UpdateRule {
 public:
  bool begin(const PushContext&) override { return true; }
  std::optional<RuleState> state() const override { return RuleState(); }
  void apply(std::span<const float>, std::span<const float> update, std::span<float> result, size_t,
             const PushContext&) override {
    std::copy(update.begin(), update.end(), result.begin());
  }
};

class AddRule final : public UpdateRule {
 public:
  explicit AddRule(Gain gain) : gain_(gain) {}

  bool begin(const PushContext&) override { return true; }
  std::optional<RuleState> state() const override { return RuleState(); }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t, const PushContext& context) override {
    add_scaled(old_values, update, static_cast<float>(gain_.scale(context)), result);
  }

 private:
  const Gain gain_;
};

class MeanChangeRule final : public RoundRule {
 public:
  using RoundRule::RoundRule;

 protected:
  double weight_of(const PushContext& context) const override { return context.steps; }
  void step(std::span<const float> old_values, std::span<float> result, size_t) override {
    for (size_t i = 0; i < result.size(); ++i) result[i] += old_values[i];
  }
};

class RuleWithState final : public UpdateRule {
 public:
  RuleWithState(std::unique_ptr<UpdateRule> rule, std::vector<ParameterRange> untrained,
                const Shard& shard, size_t shard_offset)
      : rule_(std::move(rule)),
        untrained_(std::move(untrained)),
        shard_size_(shard.size),
        shard_offset_(shard_offset) {}

  bool begin(const PushContext& context) override {
    // Before the rule changes: this may throw.
    if (rule_->keeps_updates() && kept_.size() == 0) kept_ = core::AlignedBuffer(shard_size_);
    return rule_->begin(context);
  }

  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) override {
    const auto part = [](auto values, size_t at, size_t n) {
      return values.empty() ? values : values.subspan(at, n);
    };
    const auto train = [&](size_t at, size_t n) {
      rule_->apply(old_values.subspan(at, n), part(update, at, n), part(result, at, n), offset + at,
                   context);
    };
    const auto add = [&](size_t at, size_t n) {
      add_state(old_values.subspan(at, n), part(update, at, n), part(result, at, n), offset + at,
                context);
    };
    optim::for_each_piece(untrained_, shard_offset_ + offset, old_values.size(), train, add);
  }

  std::optional<RuleState> state() const override {
    std::optional<RuleState> state = rule_->state();
    if (state) state->floats.push_back(kept_.span());
    return state;
  }
  void restore(const RuleState& state) override {
    RuleState its = state;
    const std::span<const float> kept = its.floats.back();
    its.floats.pop_back();
    rule_->restore(its);
    if (kept.empty()) return;
    kept_ = core::AlignedBuffer(shard_size_);
    algorithm::restore(kept_.span(), kept);
  }

 private:
  void add_state(std::span<const float> old_values, std::span<const float> update,
                 std::span<float> result, size_t offset, const PushContext& context) {
    const float share = 1.0f / static_cast<float>(std::max(context.workers, 1));
    float* kept = kept_.size() == 0 ? nullptr : kept_.data() + offset;
    if (result.empty()) {
      accumulate(update.data(), share, kept, update.size());
      return;
    }
    std::memcpy(result.data(), old_values.data(), old_values.size_bytes());
    if (!update.empty()) accumulate(update.data(), share, result.data(), result.size());
    if (kept == nullptr) return;
    accumulate(kept, 1, result.data(), result.size());
    std::memset(kept, 0, result.size_bytes());
  }

  const std::unique_ptr<UpdateRule> rule_;
  const std::vector<ParameterRange> untrained_;
  const size_t shard_size_;
  const size_t shard_offset_;
  core::AlignedBuffer kept_;  // of pushes of which nothing has come yet
};

}  // namespace

void add_state_of(const optim::Optimizer& optimizer, RuleState& state) {
  for (const auto& [name, slot] : optimizer.slots()) state.floats.push_back(slot);
  state.numbers.push_back(static_cast<double>(optimizer.iterations()));
}

void restore(optim::Optimizer& optimizer, const RuleState& state) {
  optimizer.restore(count_of(state.numbers.back()), state.floats);
}

int64_t count_of(double number, int64_t least) {
  constexpr double kMost = 9007199254740992;  // 2^53: up to there a double holds every whole number
  const bool is_count =
      number >= static_cast<double>(least) && number <= kMost && number == std::floor(number);
  if (is_count) return static_cast<int64_t>(number);
  throw std::invalid_argument(fmt::format("what a rule keeps: {} is no count", number));
}

void restore(std::span<float> values, std::span<const float> state) {
  std::ranges::copy(state, values.begin());
}

void add_scaled(std::span<const float> a, std::span<const float> b, float factor,
                std::span<float> sum) {
  if (factor == 1) {
    add(a.data(), b.data(), sum.data(), sum.size());
  } else {
    add_product(a.data(), b.data(), factor, sum.data(), sum.size());
  }
}

std::unique_ptr<UpdateRule> make_mean_change_rule(const Shard& shard) {
  return std::make_unique<MeanChangeRule>(shard);
}

std::unique_ptr<UpdateRule> make_replace_rule() { return std::make_unique<ReplaceRule>(); }

std::unique_ptr<UpdateRule> make_add_rule(Gain gain) { return std::make_unique<AddRule>(gain); }

OptimizerRule::OptimizerRule(const OptimizerSpec& optimizer, const Shard& shard, Gain gain)
    : optimizer_(optimizer, shard.size, shard.undecayed), gain_(gain) {}

bool OptimizerRule::begin(const PushContext& context) {
  if (context.optimizer_rate) optimizer_.set_learning_rate(*context.optimizer_rate);
  optimizer_.begin_step();
  return true;
}

// The optimizer steps in place: copy the block, which then is in the cache, and step the copy.
void OptimizerRule::apply(std::span<const float> old_values, std::span<const float> update,
                          std::span<float> result, size_t offset, const PushContext& context) {
  std::memcpy(result.data(), old_values.data(), old_values.size_bytes());
  optimizer_.apply_range(offset, result, update);
  const double scale = std::min(1.0, gain_.scale(context) * context.rate_scale);
  if (scale == 1) return;
  shorten(old_values.data(), static_cast<float>(scale), result.data(), result.size());
}

std::optional<RuleState> OptimizerRule::state() const {
  RuleState state;
  add_state_of(optimizer_, state);
  return state;
}

void OptimizerRule::restore(const RuleState& state) { algorithm::restore(optimizer_, state); }

// Between two steps there is nothing in the sum.
std::optional<RuleState> MeanRule::state() const {
  const bool keeps = !stepping_ && count_ > 0;
  RuleState state;
  add_step_state(state);
  state.floats.push_back(keeps ? sum_.span().first(shard_size_) : std::span<const float>());
  state.numbers.push_back(keeps ? static_cast<double>(count_) : 0);
  state.numbers.push_back(keeps ? weights_ : 0);
  return state;
}

void MeanRule::restore(const RuleState& state) {
  RuleState its = state;
  const std::span<const float> sum = its.floats.back();
  const double weights = its.numbers.back();
  its.numbers.pop_back();
  const int64_t count = count_of(its.numbers.back());
  its.numbers.pop_back();
  its.floats.pop_back();
  restore_step(its);
  stepping_ = false;
  count_ = count;
  weights_ = weights;
  if (count_ == 0) return;
  sum_ = core::AlignedBuffer(shard_size_);
  algorithm::restore(sum_.span(), sum);
}

bool MeanRule::begin(const PushContext& context) {
  const int64_t before = stepping_ ? 0 : count_;
  const int64_t count = before + (context.has_update ? 1 : 0);
  const double weight = context.has_update ? weight_of(context) : 0;
  const double weights = (stepping_ ? 0 : weights_) + weight;
  const bool steps = count > 0 && is_enough(context, count);
  if (sum_.size() == 0 && (!steps || before > 0)) sum_ = core::AlignedBuffer(shard_size_);
  if (steps) begin_step(context, weights);
  // From here on nothing throws.
  first_ = before == 0;
  count_ = count;
  weight_ = weight;
  weights_ = weights;
  stepping_ = steps;
  return steps;
}

void MeanRule::apply(std::span<const float> old_values, std::span<const float> update,
                     std::span<float> result, size_t offset, const PushContext&) {
  const size_t n = old_values.size();
  const auto weight = static_cast<float>(weight_);
  if (!stepping_) {
    if (update.empty()) return;
    if (first_) {
      multiply(update.data(), weight, sum_.data() + offset, n);
    } else {
      accumulate(update.data(), weight, sum_.data() + offset, n);
    }
    return;
  }
  if (first_) {
    std::memcpy(result.data(), update.data(), update.size_bytes());
  } else {
    float* sum = sum_.data() + offset;
    if (!update.empty()) accumulate(update.data(), weight, sum, n);
    multiply(sum, static_cast<float>(1 / weights_), result.data(), n);
  }
  step(old_values, result, offset);
}

std::unique_ptr<UpdateRule> make_rule_with_state(std::unique_ptr<UpdateRule> rule,
                                                 std::vector<ParameterRange> untrained,
                                                 const Shard& shard, size_t shard_offset) {
  return std::make_unique<RuleWithState>(std::move(rule), std::move(untrained), shard,
                                         shard_offset);
}

}  // namespace sluice::algorithm
