// ADAG, accumulated gradient normalization (Hermans et al., 2017, arXiv:1710.02368).
//
//   worker   after every W-th step pushes delta = (theta - anchor) / W, anchor being the centre
//            that the window began from; a last, shorter window is divided by its own length
//   server   theta~ += delta
//
// Dist-Keras: distkeras.trainers.ADAG.
#include "algorithm/algorithm.h"
#include "algorithm/window_options.h"

namespace sluice::algorithm {
namespace {

class AdagWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return true; }
  float update_scale(int64_t steps) const override { return mean_over(steps); }
};

constexpr OptionSpec kOptions[] = {window_option(), overlap_option()};

}  // namespace

extern constinit const Algorithm kAdag{
    .name = "adag",
    .summary =
        "accumulated gradient normalization: adds what a window changed, divided by its steps",
    .options = kOptions,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<AdagWorker>(options.whole("window"));
    },
    .server = [](const Options&, const OptimizerSpec&, const Shard&) { return make_add_rule(); },
};

}  // namespace sluice::algorithm
