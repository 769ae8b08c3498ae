// ADAG, accumulated gradient normalization (Hermans et al., 2017, arXiv:1710.02368).
//
//   worker   after every W-th step pushes delta = (theta - anchor) / W, anchor being the centre
//            that the window began from; a last, shorter window is divided by its own length
//   server   theta~ += delta
//   gain     M / W
//
// Dist-Keras: distkeras.trainers.ADAG.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(), overlap_option(), bound_gain_option(),
                                   scale_rate_option()};

Gain gain(const Options& options) {
  return {1.0 / static_cast<double>(options.whole("window")), options.flag("bound_gain")};
}

}  // namespace

extern constinit const Algorithm kAdag{
    .name = "adag",
    .summary =
        "accumulated gradient normalization: adds what a window changed, divided by its steps",
    .options = kOptions,
    .gain = gain,
    .worker = make_mean_change_worker,
    .server = [](const Options& options, const OptimizerSpec&,
                 const Shard&) { return make_add_rule(gain(options)); },
};

}  // namespace sluice::algorithm
