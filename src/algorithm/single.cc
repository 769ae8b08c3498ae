// One worker, as fit() trains: the reference that others are compared with.
//
//   worker   after every W-th step pushes theta, and goes on from it
//   server   theta~ = theta
//   gain     1
//
// Dist-Keras: distkeras.trainers.SingleTrainer.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(25)};

}  // namespace

extern constinit const Algorithm kSingle{
    .name = "single",
    .summary = "one worker trains as fit() does, the servers keep what it learns",
    .options = kOptions,
    .most_workers = 1,
    .worker = make_weights_worker,
    .server = [](const Options&, const OptimizerSpec&,
                 const Shard&) { return make_replace_rule(); },
};

}  // namespace sluice::algorithm
