// Assigns a member its index, its slot, its GPU and its share of the machine's cores.
//
// It is told of the members that live; what it is asked for takes no look at them all. Not
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/world.h"
#include "driver/member.h"
#include "wire/control.h"

namespace sluice::driver {

// More than any job has, and few enough to be added up. An index that is asked for beyond it is a
// mistake.
inline constexpr int kMostWorkers = 1 << 16;

class Placement {
 public:
  void add(const Member& member);
  void remove(const Member& member);

  // `preferred` if the role has such an index and no member has it, else the lowest that is free.
  int free_index(wire::Role role, int preferred, int servers);
  // The lowest number that no member of the role on the machine of `process` has.
  int free_slot(wire::Role role, const core::ProcessFacts& process);
  // The first of the GPUs that the fewest members hold; empty: `gpus` is. By UUID, since containers
  // of one machine may see different ones.
  std::string free_gpu(const std::vector<std::string>& gpus) const;
  // The threads that `member` may have: each pool's cores go evenly to the workers that use it, of
  // which no more train than there are pushes `unfinished`, and the smallest part counts. At least
  // one of each pool; 0: the member names no pool.
  int share_of_cores(const Member& member, int64_t unfinished) const;

 private:
  // Numbers from 0 on, as runs of those that are free.
  class Numbers {
   public:
    int lowest() const { return free_.begin()->first; }
    bool is_free(int number) const;
    void take(int number);  // which may be taken
    void release(int number);

   private:
    std::map<int, int> free_ = {{0, 1 << 30}};  // the last, by the first
  };

  std::array<Numbers, 2> indices_;                               // by role
  std::map<std::pair<wire::Role, std::string>, Numbers> slots_;  // by role and machine
  std::map<std::string, int> gpus_;                              // members that hold each
  std::map<std::pair<std::string, std::string>, int> pools_;     // by machine and pool
};

}  // namespace sluice::driver
