// What the driver knows of a member of its job.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/cores.h"
#include "driver/job_event.h"
#include "driver/lease_table.h"
#include "driver/pace.h"

namespace sluice::driver {

struct Member {
  int64_t id = 0;
  MemberName name;
  int slot = 0;                       // the lowest number free of its role on its machine
  std::string gpu;                    // the one it was given, a UUID; empty: none
  std::string address;                // servers: where it is reached
  std::string announced;              // servers: where it said that it listens
  bool address_guessed = false;       // the address is its host's name, which others may not know
  std::string came_from, came_to;     // of its join, see wire::JoinRequest
  std::vector<core::CorePool> cores;  // pools that its threads use
  uint64_t attempt = 0;               // of its join
  core::TimePoint joined;
  core::TimePoint last_heard;
  core::TimePoint last_progress;  // when it last got something done, or was heard to wait
  bool alive = true;
  bool trains = false;   // is one of the gate's trainees
  size_t trainee = 0;    // which, then
  bool doubted = false;  // its successor may have joined, and nothing was heard of it since
  std::optional<MemberEnded> end;
  bool asked = false;      // for a lease: until then it gets ready
  int64_t partition = -1;  // the lease it holds; -1: none
  LeaseTable::Key lease;   // likewise
  bool begun = false;      // its lease is fenced: it trains
  int64_t first_push = 1;  // of that lease
  core::TimePoint leased;  // when that was
  int64_t step = 0;        // steps trained of the partition
  LeaseTable::Key finished;        // the last lease that it has trained to its end
  int64_t had = -1, had_last = 0;  // partition of its last lease, and the last push of that
  Pace pace;
  int64_t activity = 0;    // as its last heartbeat said
  std::string waiting_for;
  core::TimePoint waiting_since;  // for the same
  std::string named_because;  // why the job waits for it; empty: it does not
  int64_t peak_memory_bytes = 0;
  std::vector<wire::Traffic> traffic;  // workers: with each server, as it said last
  int leases = 0;                      // granted so far
  int64_t given = 0;           // pushes of its leases that went to others, since they were slow
  int64_t given_in_epoch = 0;  // of them, since the last epoch ended
  double times_slower = 1;     // than the others, when it was named for that
};

// By id, those that have ended too.
using Members = std::map<int64_t, Member>;

}  // namespace sluice::driver
