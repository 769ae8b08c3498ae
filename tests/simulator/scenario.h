// One job by a seed: the driver, servers and workers that ship, in a world where messages and
// processes fail as the seed says, and a checker that looks on.
//
// Only workers die, and are started again by a launcher; some are slow, some are asked to make
// room, some come late. Servers and the driver are paused and cut off, but never for as long as
// would end a job. People pause and resume jobs and change them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulator/network.h"

namespace sluice::simulator {

struct Outcome {
  uint64_t seed = 0;
  std::vector<std::string> violations;  // what was wrong; empty: nothing
  uint64_t history_hash = 0;
  int64_t events = 0;
  double simulated_s = 0;
  FaultCounts faults;
  int64_t late_joins = 0, slow_workers = 0, leases_cut = 0;
  int64_t rounds = 0, backups = 0;            // 1: the job has some
  int64_t own_parameters = 0;                 // 1: of each partition
  int64_t superseded = 0;                     // pushes, of all shards
  int64_t refusals = 0;                       // of what cannot be set in rounds
  int64_t moves = 0;                          // of shards to other servers
  int64_t settled = 0;                        // pushes that were applied while they stood still
  int64_t new_servers_died = 0;               // before they had shards
  int64_t encoded = 0, differences = 0;       // updates, and answers, that were compressed
  Outcome& operator+=(const Outcome& other);  // all that can be added up
};

// `print`: the course of events goes to standard output.
Outcome run_scenario(uint64_t seed, bool print);

}  // namespace sluice::simulator
