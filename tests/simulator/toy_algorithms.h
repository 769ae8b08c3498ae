// Algorithms for toy replicas (toy_backend.h), whose result shows which pushes were applied.
#pragma once

namespace sluice::simulator {

// In rounds, with the options "window" and "backup_workers": adds the sum of a round's changes, so
// that each sample trained shows as 1. The shipped algorithms take means, which do not.
inline constexpr const char* kSumOfRounds = "toy_sum_of_rounds";

// Of each partition its own parameters, as the shipped ensemble: adds what a window changed, which
// shows as counts, where that replaces.
inline constexpr const char* kSumOfOwn = "toy_sum_of_own";

// So that jobs may have them. Once is enough; again does no harm.
void register_toy_algorithms();

}  // namespace sluice::simulator
