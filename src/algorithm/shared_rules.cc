#include <cstring>
#include <utility>

#include "algorithm/update_rule.h"
#include "core/simd.h"
#include "optim/optimizer.h"

namespace sluice::algorithm {

SLUICE_SIMD void add_values(const float* __restrict a, const float* __restrict b,
                            float* __restrict sum, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}

namespace {

class AddRule final : public UpdateRule {
 public:
  void begin(const PushContext&) override {}
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t, const PushContext&) override {
    add_values(old_values.data(), update.data(), result.data(), result.size());
  }
};

class OptimizerRule final : public UpdateRule {
 public:
  OptimizerRule(const OptimizerSpec& spec, const Shard& shard)
      : optimizer_(spec, shard.size, shard.undecayed) {}

  void begin(const PushContext&) override { optimizer_.begin_step(); }

  // The optimizer steps in place: copy the block, which then is in the cache, and step the copy.
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext&) noexcept override {
    std::memcpy(result.data(), old_values.data(), old_values.size_bytes());
    optimizer_.apply_range(offset, result, update);
  }

 private:
  optim::Optimizer optimizer_;
};

class RuleWithState final : public UpdateRule {
 public:
  RuleWithState(std::unique_ptr<UpdateRule> rule, std::vector<optim::ParameterRange> untrained,
                size_t shard_offset)
      : rule_(std::move(rule)), untrained_(std::move(untrained)), shard_offset_(shard_offset) {}

  void begin(const PushContext& context) override { rule_->begin(context); }

  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) override {
    const auto train = [&](size_t at, size_t n) {
      rule_->apply(old_values.subspan(at, n), update.subspan(at, n), result.subspan(at, n),
                   offset + at, context);
    };
    const auto add = [&](size_t at, size_t n) {
      add_values(&old_values[at], &update[at], &result[at], n);
    };
    optim::for_each_piece(untrained_, shard_offset_ + offset, result.size(), train, add);
  }

 private:
  const std::unique_ptr<UpdateRule> rule_;
  const std::vector<optim::ParameterRange> untrained_;
  const size_t shard_offset_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_add_rule() { return std::make_unique<AddRule>(); }

std::unique_ptr<UpdateRule> make_optimizer_rule(const OptimizerSpec& optimizer,
                                                const Shard& shard) {
  return std::make_unique<OptimizerRule>(optimizer, shard);
}

std::unique_ptr<UpdateRule> make_rule_with_state(std::unique_ptr<UpdateRule> rule,
                                                 std::vector<optim::ParameterRange> untrained,
                                                 size_t shard_offset) {
  return std::make_unique<RuleWithState>(std::move(rule), std::move(untrained), shard_offset);
}

}  // namespace sluice::algorithm
