// Synchronous SGD (Chen et al., 2016, arXiv:1604.00981).
//
//   worker   after every W-th step pushes the mean gradient of the window's mini-batches, and waits
//   server   when all workers of the round have pushed, one step of the job's optimizer on the mean
//   gain     1
//
// With backup workers B, a round of M workers ends when M - B have pushed; what the others push
// for it is dropped and counted apart.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

class SynchronousRule final : public RoundRule {
 public:
  SynchronousRule(const OptimizerSpec& optimizer, const Shard& shard)
      : RoundRule(shard), optimizer_(optimizer, shard.size, shard.undecayed) {}

 protected:
  void begin_step(const PushContext& context, double) override {
    if (context.optimizer_rate) optimizer_.set_learning_rate(*context.optimizer_rate);
    optimizer_.begin_step();
  }
  void step(std::span<const float> old_values, std::span<float> result, size_t offset) override {
    gradient_.assign(result.begin(), result.end());
    std::copy(old_values.begin(), old_values.end(), result.begin());
    optimizer_.apply_range(offset, result, gradient_);
  }
  void add_step_state(RuleState& state) const override { add_state_of(optimizer_, state); }
  void restore_step(const RuleState& state) override { algorithm::restore(optimizer_, state); }

 private:
  optim::Optimizer optimizer_;
  std::vector<float> gradient_;  // a block
};

constexpr OptionSpec kOptions[] = {
    window_option(1),
    OptionSpec{"backup_workers", int64_t{0}, "workers that a round does not wait for",
               [](const OptionValue& value) -> const char* {
                 return std::get<int64_t>(value) >= 0 ? nullptr : "expected 0 or more";
               }}};

}  // namespace

extern constinit const Algorithm kSynchronous{
    .name = "synchronous",
    .summary = "all workers' gradients make one step of the servers' optimizer",
    .options = kOptions,
    .rounds = true,
    .worker = make_gradient_worker,
    .server = [](const Options&, const OptimizerSpec& optimizer,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<SynchronousRule>(optimizer, shard);
    },
};

}  // namespace sluice::algorithm
