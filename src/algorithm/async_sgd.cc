// Asynchronous SGD with the optimizer at the servers (Li et al., 2014).
//
//   worker   after every W-th step pushes the mean gradient of the window's mini-batches, all taken
//            at the same parameters
//   server   one step of the job's optimizer, whose slots are the shard's
#include "algorithm/algorithm.h"
#include "algorithm/window_options.h"

namespace sluice::algorithm {
namespace {

class AsyncSgdWorker final : public WorkerRule {
 public:
  using WorkerRule::WorkerRule;
  bool trains_locally() const override { return false; }
  float update_scale(int64_t steps) const override { return mean_over(steps); }
};

constexpr OptionSpec kOptions[] = {window_option(), overlap_option()};

}  // namespace

extern constinit const Algorithm kAsyncSgd{
    .name = "async_sgd",
    .summary = "the servers step the optimizer on a window's mean gradient",
    .options = kOptions,
    .worker = [](const Options& options) -> std::unique_ptr<WorkerRule> {
      return std::make_unique<AsyncSgdWorker>(options.whole("window"));
    },
    .server = [](const Options&, const OptimizerSpec& optimizer,
                 const Shard& shard) { return make_optimizer_rule(optimizer, shard); },
};

}  // namespace sluice::algorithm
