#include <cstring>

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
  OptimizerRule(const OptimizerSpec& spec, size_t shard_size) : optimizer_(spec, shard_size) {}

  void begin(const PushContext&) override { optimizer_.begin_step(); }

  // The optimizer steps in place: copy the block, which then is in the cache, and step the copy.
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext&) override {
    std::memcpy(result.data(), old_values.data(), old_values.size_bytes());
    optimizer_.apply_range(offset, result, update);
  }

 private:
  optim::Optimizer optimizer_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_add_rule() { return std::make_unique<AddRule>(); }

std::unique_ptr<UpdateRule> make_optimizer_rule(const OptimizerSpec& optimizer, size_t shard_size) {
  return std::make_unique<OptimizerRule>(optimizer, shard_size);
}

}  // namespace sluice::algorithm
