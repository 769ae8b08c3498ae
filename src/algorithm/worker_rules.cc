#include "algorithm/worker_rules.h"

namespace sluice::algorithm {
namespace {

class MeanChangeWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  float update_scale(int64_t steps) const override { return mean_over(steps); }
};

class WeightsWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  Contribution contribution() const override { return Contribution::kWeights; }
};

class GradientWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  Contribution contribution() const override { return Contribution::kGradient; }
  float update_scale(int64_t steps) const override { return mean_over(steps); }
};

}  // namespace

std::unique_ptr<WorkerRule> make_change_worker(const Options& options) {
  return std::make_unique<WorkerRule>(options.whole("window"));
}

std::unique_ptr<WorkerRule> make_mean_change_worker(const Options& options) {
  return std::make_unique<MeanChangeWorker>(options.whole("window"));
}

std::unique_ptr<WorkerRule> make_weights_worker(const Options& options) {
  return std::make_unique<WeightsWorker>(options.whole("window"));
}

std::unique_ptr<WorkerRule> make_gradient_worker(const Options& options) {
  return std::make_unique<GradientWorker>(options.whole("window"));
}

}  // namespace sluice::algorithm
