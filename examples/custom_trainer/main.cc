// A trainer of one's own: ADAG whose pushes count less the more others have pushed since their
// window began (Chan & Lane, 2014, "Distributed asynchronous optimization of convolutional neural
// networks").
//
//   worker   after every W-th step pushes delta = (theta - anchor) / W
//   server   theta~ += exp(-damping age) delta, age the pushes of others in between
//   gain     M / W at most, M workers
#include <sluice/sluice.h>

#include <cmath>
#include <cstdio>
#include <exception>

using namespace sluice;
using namespace sluice::algorithm;

class MeanChange final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  float update_scale(int64_t steps) const override { return mean_over(steps); }
};

class DampedByAge final : public UpdateRule {
 public:
  DampedByAge(double damping, Gain gain) : damping_(damping), gain_(gain) {}

  bool begin(const PushContext& push) override {
    const auto age = static_cast<double>(push.staleness);
    factor_ = static_cast<float>(std::exp(-damping_ * age) * gain_.scale(push));
    return true;
  }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t /*offset*/, const PushContext&) override {
    for (size_t i = 0; i < result.size(); ++i) result[i] = old_values[i] + factor_ * update[i];
  }
  // It keeps nothing, so that servers may be added while it trains.
  std::optional<RuleState> state() const override { return RuleState(); }

 private:
  const double damping_;
  const Gain gain_;
  float factor_ = 0;
};

constexpr OptionSpec kOptions[] = {
    window_option(5),
    bound_gain_option(),
    scale_rate_option(),
    {"damping", 0.2, "how much less a push counts for each one of others before it",
     check_not_negative}};

Gain gain(const Options& options) {
  return {1.0 / static_cast<double>(options.whole("window")), options.flag("bound_gain")};
}

constexpr Algorithm kDampedAdag{
    .name = "damped_adag",
    .summary = "adds the mean change of a window, less of what is old",
    .options = kOptions,
    .gain = gain,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<MeanChange>(options.whole("window"));
    },
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard&) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<DampedByAge>(options.real("damping"), gain(options));
    },
};

int main(int argc, char** argv) try {
  register_algorithm(kDampedAdag);
  sluice::init(argc, argv);  // the workers and the server know the algorithm as well

  Sequential model;
  model.add(Input({28, 28, 1}))
      .add(Flatten())
      .add(Dense({.units = 64, .activation = "relu"}))
      .add(Dense({.units = 10, .activation = "softmax"}));

  const auto [train, test] = generated_digits(6000, 1000);
  const Trainer trainer(
      "damped_adag",
      {.workers = 2, .batch_size = 16, .epochs = 3, .hyperparameters = {{"damping", 0.1}}});
  const TrainingReport report = trainer.train(model, train);
  std::printf("Accuracy: %.4f after %lld updates, of age %.2f on average\n",
              model.evaluate(test).accuracy, static_cast<long long>(report.server_updates),
              report.staleness_mean);
} catch (const std::exception& error) {
  std::fprintf(stderr, "custom_trainer: %s\n", error.what());
  return 1;
}
