// Dist-Keras' experimental trainer: ADAG with a learning rate that falls with the distance that the
// centre has moved meanwhile (Hermans, 2017, "On scalable deep learning and parallelizing gradient
// descent", chapter 4).
//
//   worker   as ADAG: after every W-th step pushes delta = (theta - anchor) / W
//   server   theta~ += d delta,   d = 1 / ((theta~ - anchor)^2 / rate + 1), elementwise
//   gain     M / W at most
//
// The anchor is the snapshot that the server has handed out; the original sends it back with each
// push, which takes twice the traffic. Where it is not known (the first push after a lease was
// taken over), d = 1. Dist-Keras: distkeras.trainers.Experimental.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "core/simd.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

SLUICE_SIMD void add_by_distance(const float* __restrict theta, const float* __restrict anchor,
                                 const float* __restrict delta, float inverse_rate, float factor,
                                 float* __restrict out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float distance = theta[i] - anchor[i];
    out[i] = theta[i] + factor * delta[i] / (distance * distance * inverse_rate + 1);
  }
}

class ExperimentalRule final : public UpdateRule {
 public:
  ExperimentalRule(Gain gain, double rate) : gain_(gain), inverse_rate_(1 / rate) {}

  bool begin(const PushContext&) override { return true; }
  std::optional<RuleState> state() const override { return RuleState(); }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) override {
    const auto factor = static_cast<float>(gain_.scale(context));
    if (context.base.empty()) return add_scaled(old_values, update, factor, result);
    add_by_distance(old_values.data(), &context.base[offset], update.data(),
                    static_cast<float>(inverse_rate_), factor, result.data(), result.size());
  }

 private:
  const Gain gain_;
  const double inverse_rate_;
};

constexpr OptionSpec kOptions[] = {
    window_option(), bound_gain_option(), scale_rate_option(),
    OptionSpec{"distance_rate", 1.0,
               "how far the centre may move before pushes count for half, "
               "squared",
               check_positive}};

Gain gain(const Options& options) {
  return {1.0 / static_cast<double>(options.whole("window")), options.flag("bound_gain")};
}

}  // namespace

extern constinit const Algorithm kExperimental{
    .name = "experimental",
    .summary = "as adag, adding less where the servers' parameters have moved on",
    .options = kOptions,
    .keeps_bases = true,
    .gain = gain,
    .worker = make_mean_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard&) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<ExperimentalRule>(gain(options), options.real("distance_rate"));
    },
};

}  // namespace sluice::algorithm
