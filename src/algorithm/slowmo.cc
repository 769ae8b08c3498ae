// SlowMo: slow momentum over rounds of local training (Wang et al., 2019, arXiv:1910.00643).
//
//   worker   after every W-th step pushes theta - anchor, and waits
//   server   when all workers of the round have pushed, with g the workers' present learning rate:
//              u = b u + mean(anchor - theta) / g,   theta~ -= a g u          u starts at 0
//   gain     a
//
// u is in units of gradients, so that it survives a learning rate that decays.
#include "algorithm/algorithm.h"
#include "algorithm/outer_options.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "core/simd.h"

namespace sluice::algorithm {
namespace {

// u has the sign of a change here.
SLUICE_SIMD void slow_step(float rate, float momentum, float inner_rate, const float* theta,
                           float* change, float* u, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    u[i] = momentum * u[i] + change[i] / inner_rate;
    change[i] = theta[i] + rate * inner_rate * u[i];
  }
}

class SlowMoRule final : public RoundRule {
 public:
  SlowMoRule(const Shard& shard, double rate, double momentum)
      : RoundRule(shard),
        rate_(static_cast<float>(rate)),
        momentum_(static_cast<float>(momentum)),
        u_(shard.size) {}

 protected:
  void begin_step(const PushContext& context, double) override {
    if (context.learning_rate > 0) inner_rate_ = static_cast<float>(context.learning_rate);
  }
  void step(std::span<const float> old_values, std::span<float> result, size_t offset) override {
    slow_step(rate_, momentum_, inner_rate_, old_values.data(), result.data(), u_.data() + offset,
              result.size());
  }
  void add_step_state(RuleState& state) const override {
    state.floats.push_back(u_.span());
    state.numbers.push_back(static_cast<double>(inner_rate_));
  }
  void restore_step(const RuleState& state) override {
    algorithm::restore(u_.span(), state.floats.back());
    inner_rate_ = static_cast<float>(state.numbers.back());
  }

 private:
  const float rate_, momentum_;
  float inner_rate_ = 1;
  core::AlignedBuffer u_;
};

constexpr OptionSpec kOptions[] = {window_option(48), outer_learning_rate_option(1.0),
                                   outer_momentum_option(0.5)};

}  // namespace

extern constinit const Algorithm kSlowMo{
    .name = "slowmo",
    .summary = "rounds as local_sgd, momentum at the servers in units of gradients",
    .options = kOptions,
    .rounds = true,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<SlowMoRule>(shard, options.real("outer_learning_rate"),
                                          options.real("outer_momentum"));
    },
};

}  // namespace sluice::algorithm
