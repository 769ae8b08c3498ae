// DiLoCo: rounds of local training, and Nesterov's momentum over what they changed (Douillard et
// al., 2023, arXiv:2311.08105).
//
//   worker   after every W-th step (H there) pushes theta - anchor, and waits
//   server   when all workers of the round have pushed, D = mean of (anchor - theta):
//              m = b m + D,   theta~ -= e (D + b m)           m starts at 0
//   gain     e, and with the momentum's memory e / (1 - b) in the long run
//
// The workers' optimizer (AdamW there) keeps its state from round to round and never sends it. The
// published b = 0.9 and e = 0.7 are for many short rounds of a long training.
#include "algorithm/algorithm.h"
#include "algorithm/momentum_step.h"
#include "algorithm/outer_options.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"

namespace sluice::algorithm {
namespace {

class DiLoCoRule final : public RoundRule {
 public:
  DiLoCoRule(const Shard& shard, double rate, double momentum)
      : RoundRule(shard),
        rate_(static_cast<float>(rate)),
        momentum_(static_cast<float>(momentum)),
        m_(shard.size) {}

 protected:
  void step(std::span<const float> old_values, std::span<float> result, size_t offset) override {
    nesterov_step(rate_, momentum_, old_values.data(), result.data(), m_.data() + offset,
                  result.data(), result.size());
  }
  void add_step_state(RuleState& state) const override { state.floats.push_back(m_.span()); }
  void restore_step(const RuleState& state) override {
    algorithm::restore(m_.span(), state.floats.back());
  }

 private:
  const float rate_, momentum_;
  core::AlignedBuffer m_;
};

constexpr OptionSpec kOptions[] = {window_option(50), outer_learning_rate_option(0.7),
                                   outer_momentum_option(0.9)};

}  // namespace

extern constinit const Algorithm kDiLoCo{
    .name = "diloco",
    .summary = "rounds as local_sgd, Nesterov's momentum at the servers",
    .options = kOptions,
    .rounds = true,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<DiLoCoRule>(shard, options.real("outer_learning_rate"),
                                          options.real("outer_momentum"));
    },
};

}  // namespace sluice::algorithm
