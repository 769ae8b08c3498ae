// Workers' halves that several algorithms share. Each has the option "window", W.
#pragma once

#include <memory>

#include "sluice/algorithm/options.h"
#include "sluice/algorithm/worker_rule.h"

namespace sluice::algorithm {

// After every W-th step theta - anchor.
std::unique_ptr<WorkerRule> make_change_worker(const Options& options);
// After every W-th step (theta - anchor) / W; a last, shorter window is divided by its own length.
std::unique_ptr<WorkerRule> make_mean_change_worker(const Options& options);
// After every W-th step theta.
std::unique_ptr<WorkerRule> make_weights_worker(const Options& options);
// After every W-th step the mean of the window's gradients, all at the anchor.
std::unique_ptr<WorkerRule> make_gradient_worker(const Options& options);

}  // namespace sluice::algorithm
