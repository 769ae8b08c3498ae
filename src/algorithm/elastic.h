// Elastic averaging (Zhang, Choromanska, LeCun, 2015, arXiv:1412.6651): AEASGD and EAMSGD.
//
//   worker   after every W-th step pushes theta; then theta -= alpha (theta - theta~)
//   server   theta~ += alpha (theta - theta~), and answers with the theta~ from before, so that
//            what the centre gains is what the worker loses, also when others push meanwhile
//   gain     1 - (1 - alpha)^M, never above 1: the centre moves to a mean of itself and theta
//
// The worker keeps its own theta from one exchange, and from one lease, to the next; one that has
// none yet begins at the centre. State of layers, such as moving statistics, is not elastic: it is
// added as with any algorithm.
#pragma once

#include "algorithm/algorithm.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {

constexpr OptionSpec moving_rate_option() {
  return {"moving_rate", 0.5,
          "alpha: how far a worker and the servers move towards each other (Dist-Keras: rho times "
          "learning_rate)",
          check_fraction};
}

std::unique_ptr<WorkerRule> make_elastic_worker(const Options& options);
std::unique_ptr<UpdateRule> make_elastic_rule(const Options& options, const OptimizerSpec&,
                                              const Shard&);

}  // namespace sluice::algorithm
