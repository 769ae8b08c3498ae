// How a lease is granted: the coordinator has raised the partition's incarnation; now every server
// must refuse the lease's pushes under an older one, before the holder may hear where to start.
//
//   raised --every server has fenced--> granted, from the push behind the last that all shards have
//      |--a server cannot be reached--> wait: the partition goes back to the queue
//      +--a server refuses, or answers nonsense--> failed: asking again would not help
//
// Plain decisions; Driver makes the calls. A decision is made once.
#pragma once

#include <cstdint>
#include <optional>

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

  GrantMachine(const wire::Lease& lease, int servers)
      : lease_(lease), missing_(servers), least_(lease.last) {}

  const wire::Lease& lease() const { return lease_; }
  // One server's answer.
  std::optional<Decision> fenced(const Result<wire::FenceReply>& reply);

 private:
  Decision decide(Outcome outcome, Status why);

  wire::Lease lease_;
  int missing_;  // servers that have not answered
  int64_t least_;
  bool decided_ = false;
};

}  // namespace sluice::driver
