// DOWNPOUR (Dean et al., 2012), as Dist-Keras has it.
//
//   worker   before every W-th step pushes delta = theta - anchor, so that the first push sums up
//            W - 1 steps and later ones W
//   server   theta~ += delta
//   gain     M
//
// Elephas' asynchronous mode is this, but pushes after every window: its frequency="batch" is
// --window 1, its "epoch" a window of as many mini-batches as a partition has.
// Dist-Keras: distkeras.trainers.DOWNPOUR.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

class DownpourWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  int64_t push_end(int64_t sequence, int64_t epoch_steps) const override {
    return sequence == 0 ? 0 : sequence * window(epoch_steps) - 1;
  }
};

constexpr OptionSpec kOptions[] = {window_option(), overlap_option(), bound_gain_option(),
                                   scale_rate_option()};

Gain gain(const Options& options) { return {1, options.flag("bound_gain")}; }

}  // namespace

extern constinit const Algorithm kDownpour{
    .name = "downpour",
    .summary = "adds what a window changed",
    .options = kOptions,
    .gain = gain,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<DownpourWorker>(options.whole("window"));
    },
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard&) { return make_add_rule(gain(options)); },
};

}  // namespace sluice::algorithm
