#include "tests/simulator/toy_algorithms.h"

#include <cmath>

#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm.h"

namespace sluice::simulator {
namespace {

// The sum from the mean, so that the rule of the shipped algorithms collects the pushes. Counts are
// small whole numbers: rounding makes them exact again.
class SumOfRoundRule final : public algorithm::RoundRule {
 public:
  using RoundRule::RoundRule;

 protected:
  void begin_step(const algorithm::PushContext&, double weights) override { pushes_ = weights; }
  void step(std::span<const float> old_values, std::span<float> result, size_t) override {
    const auto pushes = static_cast<float>(pushes_);
    for (size_t i = 0; i < result.size(); ++i) {
      result[i] = old_values[i] + std::round(result[i] * pushes);
    }
  }

 private:
  double pushes_ = 0;
};

constexpr algorithm::OptionSpec kOptions[] = {
    algorithm::window_option(),
    {"backup_workers", int64_t{0}, "workers that a round does not wait for"}};

constexpr algorithm::OptionSpec kOwnOptions[] = {algorithm::window_option()};

constinit const algorithm::Algorithm kOwnAlgorithm{
    .name = kSumOfOwn,
    .summary = "adds what a partition has changed to its own parameters",
    .options = kOwnOptions,
    .own_parameters = true,
    .worker = algorithm::make_change_worker,
    .server = [](const algorithm::Options&, const OptimizerSpec&,
                 const algorithm::Shard&) { return algorithm::make_add_rule({}); },
};

constinit const algorithm::Algorithm kAlgorithm{
    .name = kSumOfRounds,
    .summary = "adds what all workers of a round have changed",
    .options = kOptions,
    .rounds = true,
    .worker = algorithm::make_change_worker,
    .server = [](const algorithm::Options&, const OptimizerSpec&,
                 const algorithm::Shard& shard) -> std::unique_ptr<algorithm::UpdateRule> {
      return std::make_unique<SumOfRoundRule>(shard);
    },
};

}  // namespace

void register_toy_algorithms() {
  static const bool once = [] {
    algorithm::register_algorithm(kAlgorithm);
    algorithm::register_algorithm(kOwnAlgorithm);
    return true;
  }();
  (void)once;
}

}  // namespace sluice::simulator
