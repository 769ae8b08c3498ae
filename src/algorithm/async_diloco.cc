// Asynchronous DiLoCo with delayed Nesterov momentum (Liu et al., 2024, arXiv:2401.09135).
//
//   worker   after every W-th step pushes theta - anchor, and waits for nobody
//   server   per push, with D = anchor - theta, and m, S starting at 0:
//              S += D
//              at every N-th push   m = b m + S / N,   theta~ -= e (b m + D / N),   S = 0
//              at the others        theta~ -= e D / N
//   gain     e M / N, so e at most, for N is at least M
//
// N pushes move the centre as one step of DiLoCo on their mean would. The momentum is taken from S
// alone: stepping on each D and then on S again would count gradients twice. What is in S when the
// job ends has been applied; only momentum is lost. N follows the workers: it is the option
// "momentum_delay", or the workers that train when N pushes begin, if these are more.
#include "algorithm/algorithm.h"
#include "algorithm/outer_options.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "core/simd.h"

namespace sluice::algorithm {
namespace {

// S += change;   out = theta + factor change
SLUICE_SIMD void small_step(float factor, const float* __restrict theta,
                            const float* __restrict change, float* __restrict sum,
                            float* __restrict out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    sum[i] += change[i];
    out[i] = theta[i] + factor * change[i];
  }
}

// S += change;   m = momentum m + S / N;   out = theta + rate momentum m + factor change;   S = 0
SLUICE_SIMD void momentum_step(float rate, float momentum, float inverse_n, float factor,
                               const float* __restrict theta, const float* __restrict change,
                               float* __restrict sum, float* __restrict m, float* __restrict out,
                               size_t n) {
  for (size_t i = 0; i < n; ++i) {
    m[i] = momentum * m[i] + (sum[i] + change[i]) * inverse_n;
    sum[i] = 0;
    out[i] = theta[i] + rate * momentum * m[i] + factor * change[i];
  }
}

class DelayedNesterovRule final : public UpdateRule {
 public:
  DelayedNesterovRule(const Shard& shard, double rate, double momentum, int64_t delay)
      : rate_(static_cast<float>(rate)),
        momentum_(static_cast<float>(momentum)),
        delay_(delay),
        sum_(shard.size),
        m_(shard.size) {}

  bool begin(const PushContext& context) override {
    if (in_sum_ == n_) in_sum_ = 0;
    if (in_sum_ == 0) n_ = std::max<int64_t>(delay_, context.workers);
    ++in_sum_;
    return true;
  }

  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext&) override {
    const float inverse_n = 1 / static_cast<float>(n_);
    float* sum = sum_.data() + offset;
    if (in_sum_ < n_) {
      small_step(rate_ * inverse_n, old_values.data(), update.data(), sum, result.data(),
                 result.size());
    } else {
      momentum_step(rate_, momentum_, inverse_n, rate_ * inverse_n, old_values.data(),
                    update.data(), sum, m_.data() + offset, result.data(), result.size());
    }
  }

  std::optional<RuleState> state() const override {
    return RuleState{{sum_.span(), m_.span()},
                     {static_cast<double>(n_), static_cast<double>(in_sum_)}};
  }
  void restore(const RuleState& state) override {
    algorithm::restore(sum_.span(), state.floats[0]);
    algorithm::restore(m_.span(), state.floats[1]);
    n_ = count_of(state.numbers[0], 1);
    in_sum_ = count_of(state.numbers[1]);
  }

 private:
  const float rate_, momentum_;
  const int64_t delay_;
  int64_t n_ = 1, in_sum_ = 0;  // of the pushes that are being summed up
  core::AlignedBuffer sum_, m_;
};

constexpr OptionSpec kOptions[] = {
    window_option(50), overlap_option(), outer_learning_rate_option(0.7),
    outer_momentum_option(0.9),
    OptionSpec{"momentum_delay", int64_t{0},
               "pushes to one step of momentum, at least as many as there are workers",
               [](const OptionValue& value) -> const char* {
                 const int64_t delay = std::get<int64_t>(value);
                 if (delay < 0) return "expected 0 or more pushes";
                 return delay > kMostSteps ? "expected at most 2^30 pushes" : nullptr;
               }}};

}  // namespace

extern constinit const Algorithm kAsyncDiLoCo{
    .name = "async_diloco",
    .summary = "adds what windows changed at once, and every N pushes Nesterov's momentum",
    .options = kOptions,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<DelayedNesterovRule>(shard, options.real("outer_learning_rate"),
                                                   options.real("outer_momentum"),
                                                   options.whole("momentum_delay"));
    },
};

}  // namespace sluice::algorithm
