// A backend whose replicas train nothing but count: every sample of a batch adds 1 to its own place
// in each shard. Parameters that the servers hold therefore show how often each record has been
// trained, shard by shard.
#pragma once

#include <memory>

#include "backend/replica.h"
#include "core/clock.h"
#include "tests/simulator/simulation.h"

namespace sluice::simulator {

// Records are numbered by their only feature, from 0; each has a place in every shard.
inline constexpr size_t kPlaces = 32;

struct ToyOptions {
  core::Duration shortest_step = std::chrono::milliseconds(20);
  core::Duration longest_step = std::chrono::milliseconds(120);
  // Instead of between the two: exponentially distributed around this; 0: not so.
  core::Duration mean_step{};
};

std::shared_ptr<backend::Backend> make_toy_backend(Simulation& simulation,
                                                   const ToyOptions& options);

}  // namespace sluice::simulator
