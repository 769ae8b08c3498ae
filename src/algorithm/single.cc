// One worker, as fit() trains: the reference that others are compared with.
//
//   worker   after every W-th step pushes theta, and goes on from it
//   server   theta~ = theta
//   gain     1
//
// Dist-Keras: distkeras.trainers.SingleTrainer.
#include <algorithm>

#include "algorithm/algorithm.h"
#include "algorithm/window_options.h"

namespace sluice::algorithm {
namespace {

class SingleWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  Contribution contribution() const override { return Contribution::kWeights; }
};

class ReplaceRule final : public UpdateRule {
 public:
  bool begin(const PushContext&) override { return true; }
  void apply(std::span<const float>, std::span<const float> update, std::span<float> result, size_t,
             const PushContext&) override {
    std::copy(update.begin(), update.end(), result.begin());
  }
};

constexpr OptionSpec kOptions[] = {window_option(25)};

}  // namespace

extern constinit const Algorithm kSingle{
    .name = "single",
    .summary = "one worker trains as fit() does, the servers keep what it learns",
    .options = kOptions,
    .most_workers = 1,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<SingleWorker>(options.whole("window"));
    },
    .server = [](const Options&, const OptimizerSpec&, const Shard&)
        -> std::unique_ptr<UpdateRule> { return std::make_unique<ReplaceRule>(); },
};

}  // namespace sluice::algorithm
