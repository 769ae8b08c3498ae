// Assigns a member its index, its slot, its GPU and its share of the machine's cores.
//
// Plain functions of the members of the job; only living ones count.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/world.h"
#include "driver/member.h"
#include "wire/control.h"

namespace sluice::driver {

// More than any job has, and few enough to be added up. An index that is asked for beyond it is a
// mistake.
inline constexpr int kMostWorkers = 1 << 16;

// `preferred` if the role has such an index and no member has it, else the lowest that is free.
int free_index(const Members& members, wire::Role role, int preferred, int servers);

// The lowest number that no member of the role on the machine of `process` has.
int free_slot(const Members& members, wire::Role role, const core::ProcessFacts& process);

// The first of the GPUs that the fewest members hold; empty: `gpus` is. By UUID, since containers
// of one machine may see different ones.
std::string free_gpu(const Members& members, const std::vector<std::string>& gpus);

// The threads that `member` may have: each pool's cores go evenly to the workers that use it, of
// which no more train than there are partitions `unfinished`, and the smallest part counts. At
// least one of each pool; 0: the member names no pool.
int share_of_cores(const Members& members, const Member& member, int64_t unfinished);

}  // namespace sluice::driver
