// Hogwild (Recht et al., 2011, arXiv:1106.5730), as Elephas has it: mode="hogwild".
//
//   worker   after every W-th step pushes delta = theta - anchor
//   server   theta~_b += s delta_b for each block b of 2048 parameters, while other workers' deltas
//            are added to other blocks
//   gain     M
//
// No push waits for another, and no two blocks that a worker is given need be of the same pushes.
// But each block is whole, each push is added once, and sums do not depend on the order up to
// rounding: what the paper leaves to the processor's caches, plain writes that race, is undefined
// behaviour in C++ and loses updates. The paper's bounds are for gradients that are mostly zeros;
// a dense model has nothing of them, and is as well off with downpour.
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

extern constinit const Algorithm kHogwild{
    .name = "hogwild",
    .summary = "adds what a window changed, block by block, without turns",
    .options = kOptions,
    .steps_in_place = true,
    .gain = gain,
    .worker = make_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard&) { return make_add_rule(gain(options)); },
};

}  // namespace sluice::algorithm
