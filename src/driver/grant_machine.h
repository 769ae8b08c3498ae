// How a lease is granted: the coordinator has raised the partition's incarnation; now every server
// must refuse the lease's pushes under an older one, before the holder may hear where to start.
//
//   raised --every server has fenced--> all have applied the same pushes --> granted
//      |         |                                                              ^
//      |         +--one has applied a push that another has only staged--> commit there
//      |
//      |--a server cannot be reached--> wait: the partition goes back to the queue
//      +--a server refuses, or answers nonsense--> failed: asking again would not help
//
// A push is applied by all servers or by none: its worker commits when all have staged it. So when
// one has applied it, the worker had begun to commit, and the others can do what is missing. When
// none has, none ever will: all are fenced, and the push is trained again.
//
// Plain decisions; Driver makes the calls. A decision is made once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/status.h"
#include "wire/control.h"
#include "wire/parameters.h"

namespace sluice::driver {

class GrantMachine {
 public:
  enum class Outcome { kGranted, kWait, kFailed };
  struct Decision {
    Outcome outcome;
    wire::Lease lease;  // kGranted: with the first push that is missing
    Status why;         // kWait, kFailed
  };
  // Tell these servers to apply `id`, which they have staged.
  struct Commit {
    std::vector<size_t> servers;
    wire::PushIdentity id;
    bool superseded = false;
  };
  // What follows from an answer: one of them, or nothing yet.
  struct Next {
    std::optional<Commit> commit{};
    std::optional<Decision> decision{};
  };

  GrantMachine(const wire::Lease& lease, int servers)
      : lease_(lease), fences_(static_cast<size_t>(servers)), missing_(servers) {}

  const wire::Lease& lease() const { return lease_; }
  // One server's answers.
  Next fenced(size_t server, const Result<wire::FenceReply>& reply);
  Next committed(const Status& status);

 private:
  Next resolve();
  Next granted(int64_t applied);
  Next failed(Status why);
  Next decide(Outcome outcome, Status why);

  wire::Lease lease_;
  std::vector<wire::FenceReply> fences_;  // by server
  int missing_;                           // answers
  int64_t applied_ = 0;                   // the last push, when all commits have been answered
  bool decided_ = false;
};

}  // namespace sluice::driver
