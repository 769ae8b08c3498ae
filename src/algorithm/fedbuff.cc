// FedBuff: asynchronous pushes in a buffer (Nguyen et al., 2021, arXiv:2106.06639).
//
//   worker   after every W-th step pushes theta - anchor, and waits for nobody
//   server   B += w (theta - anchor),   w = (1 + s)^-p;
//            after K pushes   theta~ += e B / K,   B = 0
//   gain     e M / K
//
// s is the push's age in the servers' steps: how often B has been emptied since its window began.
// A push that is in B is counted as trained; what is left in B at the job's end is applied with
// its last push, over K all the same.
#include <cmath>

#include "algorithm/algorithm.h"
#include "algorithm/outer_options.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

class FedBuffRule final : public MeanRule {
 public:
  FedBuffRule(const Shard& shard, double rate, int64_t buffer, double exponent, Gain gain)
      : MeanRule(shard),
        rate_(rate),
        buffer_(static_cast<double>(buffer)),
        exponent_(exponent),
        gain_(gain) {}

 protected:
  double weight_of(const PushContext& context) const override {
    const double steps = static_cast<double>(context.staleness) / buffer_;
    return std::pow(1 + steps, -exponent_);
  }
  bool is_enough(const PushContext& context, int64_t count) const override {
    return static_cast<double>(count) >= buffer_ || context.last;
  }
  void begin_step(const PushContext& context, double weights) override {
    factor_ = static_cast<float>(rate_ * weights / buffer_ * gain_.scale(context));
  }
  void step(std::span<const float> old_values, std::span<float> result, size_t) override {
    for (size_t i = 0; i < result.size(); ++i) result[i] = old_values[i] + factor_ * result[i];
  }

 private:
  const double rate_, buffer_, exponent_;
  const Gain gain_;
  float factor_ = 0;
};

constexpr OptionSpec kOptions[] = {
    window_option(),
    outer_learning_rate_option(1.0),
    bound_gain_option(),
    scale_rate_option(),
    OptionSpec{"buffer_size", int64_t{4}, "pushes to one step of the servers",
               [](const OptionValue& value) -> const char* {
                 const int64_t size = std::get<int64_t>(value);
                 if (size < 1) return "expected at least 1 push";
                 return size > kMostSteps ? "expected at most 2^30 pushes" : nullptr;
               }},
    OptionSpec{"staleness_exponent", 0.5, "p: how much less old pushes count", check_not_negative}};

Gain gain(const Options& options) {
  return {options.real("outer_learning_rate") / static_cast<double>(options.whole("buffer_size")),
          options.flag("bound_gain")};
}

}  // namespace

extern constinit const Algorithm kFedBuff{
    .name = "fedbuff",
    .summary = "the servers collect what windows changed and step on every K of them",
    .options = kOptions,
    .gain = gain,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<FedBuffRule>(shard, options.real("outer_learning_rate"),
                                           options.whole("buffer_size"),
                                           options.real("staleness_exponent"), gain(options));
    },
};

}  // namespace sluice::algorithm
