#include "algorithm/elastic.h"

#include "core/simd.h"

namespace sluice::algorithm {
namespace {

SLUICE_SIMD void pull(const float* __restrict centre, const float* __restrict theta, float alpha,
                      float* __restrict out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = centre[i] + alpha * (theta[i] - centre[i]);
}

class ElasticWorker final : public WorkerRule {
 public:
  ElasticWorker(int64_t window, double alpha)
      : WorkerRule(window), alpha_(static_cast<float>(alpha)) {}
  Contribution contribution() const override { return Contribution::kWeights; }
  Adoption adoption() const override { return Adoption::kPullTowards; }
  float pull_rate() const override { return alpha_; }

 private:
  const float alpha_;
};

class ElasticRule final : public UpdateRule {
 public:
  explicit ElasticRule(double alpha) : alpha_(static_cast<float>(alpha)) {}

  bool begin(const PushContext&) override { return true; }
  std::optional<RuleState> state() const override { return RuleState(); }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t, const PushContext&) override {
    pull(old_values.data(), update.data(), alpha_, result.data(), result.size());
  }

 private:
  const float alpha_;
};

}  // namespace

std::unique_ptr<WorkerRule> make_elastic_worker(const Options& options) {
  return std::make_unique<ElasticWorker>(options.whole("window"), options.real("moving_rate"));
}

std::unique_ptr<UpdateRule> make_elastic_rule(const Options& options, const OptimizerSpec&,
                                              const Shard&) {
  return std::make_unique<ElasticRule>(options.real("moving_rate"));
}

}  // namespace sluice::algorithm
