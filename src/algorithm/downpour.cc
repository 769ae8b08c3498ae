// DOWNPOUR (Dean et al., 2012), as Dist-Keras has it.
//
//   worker   before every W-th step pushes delta = theta - anchor, so that the first push sums up
//            W - 1 steps and later ones W
//   server   theta~ += delta
//
// Dist-Keras: distkeras.trainers.DOWNPOUR.
#include "algorithm/algorithm.h"
#include "algorithm/window_options.h"

namespace sluice::algorithm {
namespace {

class DownpourWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  int64_t push_end(int64_t sequence) const override {
    return sequence == 0 ? 0 : sequence * window() - 1;
  }
  bool trains_locally() const override { return true; }
  float update_scale(int64_t /*steps*/) const override { return 1; }
};

constexpr OptionSpec kOptions[] = {window_option(), overlap_option()};

}  // namespace

extern constinit const Algorithm kDownpour{
    .name = "downpour",
    .summary = "adds what a window changed",
    .options = kOptions,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<DownpourWorker>(options.whole("window"));
    },
    .server = [](const Options&, const OptimizerSpec&, const Shard&) { return make_add_rule(); },
};

}  // namespace sluice::algorithm
