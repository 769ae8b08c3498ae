// How far M workers move the centre at once.
//
// The gain of an algorithm is the sum of the factors with which the pushes of M workers, one window
// of W steps each from nearly the same centre, enter it, as a multiple of one worker's mean step
// (what the steps of a window change, divided by W; for gradients, one step of the optimizer).
// Momentum at the servers is not counted. Each algorithm's file has its formula.
//
// Above about 2 it costs accuracy, far above it all outputs become equal: MNIST's CNN with 30
// workers ends at 0.93 with ADAG (M / W = 6) and at 0.11 with DOWNPOUR (M), without any NaN. So by
// default pushes are scaled by
//
//   s = min(1, 1 / gain(M)),   M the workers that train at the moment
//
// The rule as published has s = 1: --no-bound-gain.
//
// What is taken from the pushes comes back as larger steps, of the workers, each of which sees
// where they lead, or else of the servers' optimizer: for each window, or its push, the learning
// rate is multiplied by
//
//   c - (c - 1/c) p^2,   c = max(1, min(gain(M), sqrt(M))) (--no-scale-rate: 1)
//
// M being the workers that the job is told of, p how far the window's partition is, from 0 to 1.
// sqrt(M) is what averaging over M mini-batches allows Adam (Malladi et al., 2022,
// arXiv:2205.10287); no more than the bound took. It falls, for what such steps leave undecided in
// the end, and below the optimizer's own rate as far as it was above. MNIST's CNN with 30 workers,
// ADAG, five passes: 0.985 without, 0.984 to 0.988 with a constant c, 0.989 where it falls to 1,
// 0.988 to 1/c in a straight line, 0.990 as above. Where noise counts for more, DOWNPOUR on MNIST's
// MLP with 3 workers and batches of 4, one pass: 0.944 without, 0.961 falling to 1, 0.972 to 1/c in
// a straight line, 0.971 as above. Multiplying the pushes instead, which is a gain of 2 or 3, with
// warm-up or without, or momentum at the servers, gained nothing: all of them go on in directions
// that no worker has tried.
// Where the servers step, their steps are what is multiplied, and become no longer than the
// optimizer makes them. async_sgd, five mini-batches a window, two passes, one run each, without
// and with: MNIST's CNN with 3 workers 0.982 and 0.986, with 10 0.966 and 0.979, with 30 0.843 and
// 0.950, the MLP with 30 0.751 and 0.923.
#pragma once

#include <algorithm>
#include <cmath>

#include "sluice/algorithm/update_rule.h"

namespace sluice::algorithm {

// gain(M) = per_worker M.
struct Gain {
  double per_worker = 0;
  bool bounded = true;

  double of(int workers) const { return per_worker * workers; }
  // s
  double scale(int workers) const { return bounded && of(workers) > 1 ? 1 / of(workers) : 1; }
  // c
  double rate_scale(int workers) const {
    return bounded ? std::max(1.0, std::min(of(workers), std::sqrt(workers))) : 1;
  }
  // What becomes of c when `done`, from 0 to 1, of a partition is trained.
  static double falling(double c, double done) { return c - (c - 1 / c) * done * done; }
  double scale(const PushContext& context) const { return scale(context.workers); }
};

}  // namespace sluice::algorithm
