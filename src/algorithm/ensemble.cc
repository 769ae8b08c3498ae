// Ensemble: as many models as there are partitions, each trained on one of them; what is saved is a
// model of them all, whose output is the mean of theirs.
//
//   worker   trains model p on partition p alone, to its end; after every W-th step pushes theta_p,
//            and goes on from it
//   server   theta~_p = theta_p; the other models' parameters stay as they are
//   gain     1
//
// y(x) = (y_1(x) + ... + y_P(x)) / P, an Average layer (Hansen & Salamon, 1990, "Neural network
// ensembles"). The models begin from weights of their own, unless these had been trained before,
// and see different records: their errors differ, and the mean's is below theirs on average (Krogh
// & Vedelsby, 1995). Each sees a P-th of the records, so that a few large partitions are better
// than many small ones.
//
// Dist-Keras: distkeras.trainers.EnsembleTrainer, which hands out the models in a list, all begun
// from the same weights.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

constexpr OptionSpec kOptions[] = {window_option(25)};

}  // namespace

extern constinit const Algorithm kEnsemble{
    .name = "ensemble",
    .summary = "trains a model on each partition; what is saved is the mean of them",
    .options = kOptions,
    .own_parameters = true,
    .worker = make_weights_worker,
    .server = [](const Options&, const OptimizerSpec&,
                 const Shard&) { return make_replace_rule(); },
};

}  // namespace sluice::algorithm
