// Local SGD (Stich, 2018, arXiv:1805.09767), which is federated averaging (McMahan et al., 2016,
// arXiv:1602.05629) when all clients take part.
//
//   worker   after every W-th step pushes theta - anchor, and waits
//   server   when all workers of the round have pushed: theta~ = sum_i (n_i / n) theta_i, with n_i
//            the mini-batches of worker i's window, n their sum
//   gain     1
//
// All workers of a round start from the same theta~, so that adding the mean change is the mean of
// the weights. Windows are as long at every worker (but for a partition's last), which keeps the
// mean unbiased.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(25)};

}  // namespace

extern constinit const Algorithm kLocalSgd{
    .name = "local_sgd",
    .summary = "workers train for a window, then all go on from their mean (FedAvg)",
    .options = kOptions,
    .rounds = true,
    .worker = make_change_worker,
    .server = [](const Options&, const OptimizerSpec&,
                 const Shard& shard) { return make_mean_change_rule(shard); },
};

}  // namespace sluice::algorithm
