// FedOpt: an adaptive optimizer over what windows changed (Reddi et al., 2020, arXiv:2003.00295).
//
//   worker   after every W-th step pushes theta - anchor, and waits
//   server   when all workers of the round have pushed, G = sum_i (n_i / n) (theta_i - anchor):
//              m = b1 m + (1 - b1) G
//              v = v + G^2                                   adagrad
//              v = b2 v + (1 - b2) G^2                       adam
//              v = v - (1 - b2) G^2 sign(v - G^2)            yogi
//              theta~ += e m / (sqrt(v) + tau)               v starts at tau^2, no bias correction
//   gain     none: a step is about e per parameter, whatever the workers changed
//
// tau of 1e-3 or more, or parameters that rarely move will jump; e far below 1. For adagrad the
// paper has b1 = 0.
#include <cmath>

#include "algorithm/algorithm.h"
#include "algorithm/outer_options.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "core/simd.h"

namespace sluice::algorithm {
namespace {

struct Constants {
  float rate, beta_1, beta_2, tau;
};

SLUICE_SIMD void update_mean(float beta, const float* __restrict g, float* __restrict m, size_t n) {
  for (size_t i = 0; i < n; ++i) m[i] = beta * m[i] + (1 - beta) * g[i];
}

SLUICE_SIMD void update_adagrad(const float* __restrict g, float* __restrict v, size_t n) {
  for (size_t i = 0; i < n; ++i) v[i] += g[i] * g[i];
}

SLUICE_SIMD void update_adam(float beta, const float* __restrict g, float* __restrict v, size_t n) {
  for (size_t i = 0; i < n; ++i) v[i] = beta * v[i] + (1 - beta) * g[i] * g[i];
}

SLUICE_SIMD void update_yogi(float beta, const float* __restrict g, float* __restrict v, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float square = g[i] * g[i];
    const float sign = v[i] > square ? 1.0f : v[i] < square ? -1.0f : 0.0f;
    v[i] -= (1 - beta) * square * sign;
  }
}

SLUICE_SIMD void step_by(const Constants& c, const float* __restrict theta,
                         const float* __restrict m, const float* __restrict v,
                         float* __restrict out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = theta[i] + c.rate * m[i] / (std::sqrt(v[i]) + c.tau);
  }
}

class FedOptRule final : public RoundRule {
 public:
  FedOptRule(const Shard& shard, const Options& options)
      : RoundRule(shard),
        name_(options.word("server_optimizer")),
        constants_{static_cast<float>(options.real("outer_learning_rate")),
                   static_cast<float>(options.real("beta_1")),
                   static_cast<float>(options.real("beta_2")),
                   static_cast<float>(options.real("tau"))},
        m_(shard.size),
        v_(shard.size) {
    std::fill_n(v_.data(), shard.size, constants_.tau * constants_.tau);
  }

 protected:
  double weight_of(const PushContext& context) const override { return context.steps; }
  void step(std::span<const float> old_values, std::span<float> result, size_t offset) override {
    float* m = m_.data() + offset;
    float* v = v_.data() + offset;
    const size_t n = result.size();
    update_mean(constants_.beta_1, result.data(), m, n);
    if (name_ == "adagrad") update_adagrad(result.data(), v, n);
    if (name_ == "adam") update_adam(constants_.beta_2, result.data(), v, n);
    if (name_ == "yogi") update_yogi(constants_.beta_2, result.data(), v, n);
    step_by(constants_, old_values.data(), m, v, result.data(), n);
  }
  void add_step_state(RuleState& state) const override {
    state.floats.insert(state.floats.end(), {m_.span(), v_.span()});
  }
  void restore_step(const RuleState& state) override {
    algorithm::restore(m_.span(), state.floats[0]);
    algorithm::restore(v_.span(), state.floats[1]);
  }

 private:
  const std::string name_;
  const Constants constants_;
  core::AlignedBuffer m_, v_;
};

constexpr OptionSpec kOptions[] = {
    window_option(25),
    OptionSpec{"server_optimizer", Word("adam"), "adam, yogi or adagrad",
               [](const OptionValue& value) -> const char* {
                 const std::string_view name = std::get<Word>(value).view();
                 return name == "adam" || name == "yogi" || name == "adagrad"
                            ? nullptr
                            : "expected adam, yogi or adagrad";
               }},
    outer_learning_rate_option(0.01),
    OptionSpec{"beta_1", 0.9, "decay of the servers' mean of changes", check_decay},
    OptionSpec{"beta_2", 0.99, "decay of the servers' mean of squared changes", check_decay},
    OptionSpec{"tau", 1e-3, "bounds the servers' steps where changes are small", check_positive}};

}  // namespace

extern constinit const Algorithm kFedOpt{
    .name = "fedopt",
    .summary = "rounds as local_sgd, an adaptive optimizer at the servers steps on the mean change",
    .options = kOptions,
    .rounds = true,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&, const Shard& shard)
        -> std::unique_ptr<UpdateRule> { return std::make_unique<FedOptRule>(shard, options); },
};

}  // namespace sluice::algorithm
