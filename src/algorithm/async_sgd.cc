// Asynchronous SGD with the optimizer at the servers (Li et al., 2014).
//
//   worker   after every W-th step pushes the mean gradient of the window's mini-batches, all taken
//            at the same parameters
//   server   one step of the job's optimizer, whose slots are the shard's
//   gain     M, in steps of the optimizer; bounded, the optimizer's rate falls with each push from
//            sqrt(M) times its own (gain.h, OptimizerRule)
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(), overlap_option(), bound_gain_option(),
                                   scale_rate_option()};

Gain gain(const Options& options) { return {1, options.flag("bound_gain")}; }

}  // namespace

extern constinit const Algorithm kAsyncSgd{
    .name = "async_sgd",
    .summary = "the servers step the optimizer on a window's mean gradient",
    .options = kOptions,
    .gain = gain,
    .worker = make_gradient_worker,
    .server = [](const Options& options, const OptimizerSpec& optimizer,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<OptimizerRule>(optimizer, shard, gain(options));
    },
};

}  // namespace sluice::algorithm
