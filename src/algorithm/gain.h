// How far M workers move the centre at once.
//
// The gain of an algorithm is the sum of the factors with which the pushes of M workers, one window
// of W steps each from nearly the same centre, enter it, as a multiple of one worker's mean step
// (what the steps of a window change, divided by W; for gradients, one step of the optimizer).
// Momentum at the servers is not counted. Each algorithm's file has its formula.
//
// Above about 2 it costs accuracy, far above it all outputs become equal: MNIST's CNN with 30
// workers ends at 0.93 with ADAG (M / W = 6) and at 0.11 with DOWNPOUR (M), without a NaN and
// without a word. So by default pushes are scaled by
//
//   s = min(1, 1 / gain(M)),   M the workers that train at the moment
//
// The rule as published has s = 1: --no-bound-gain.
#pragma once

#include "algorithm/options.h"
#include "algorithm/update_rule.h"

namespace sluice::algorithm {

// gain(M) = per_worker M.
struct Gain {
  double per_worker = 0;
  bool bounded = true;

  double of(int workers) const { return per_worker * workers; }
  // s
  double scale(int workers) const { return bounded && of(workers) > 1 ? 1 / of(workers) : 1; }
  double scale(const PushContext& context) const { return scale(context.workers); }
};

constexpr OptionSpec bound_gain_option() {
  return {"bound_gain", true,
          "scale pushes down where so many workers would move the servers too far at once"};
}

}  // namespace sluice::algorithm
