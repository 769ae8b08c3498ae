// A worker's side of the memory that it shares with a server of its host.
//
//   call = visit->begin(update, owner)        goes out: call->number, call->update, visit->token()
//   values = visit->values_at(place)          the answer's, read where the server wrote them
//   visit->answered(call->number)             when they have been copied; given_up(): no answer
//
// Nothing waits. Until the server has opened, and when it is gone, begin() has nothing to give:
// then the bytes themselves are sent. Thread-safe.
//
// An update whose call was given up may still be read by a server that lives, until that says that
// it is not, if it ever does. A visit keeps such updates: it should last as long as its process.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "memory/door.h"
#include "memory/leases.h"
#include "memory/peer.h"

namespace sluice::memory {

class Visit {
 public:
  struct Call {
    uint64_t number = 0;
    Place update;  // nothing where none was given
  };

  // Knocks. FAILED_PRECONDITION: it is not possible here, why, and what would have to change, for
  // people. UNAVAILABLE: not now.
  static Result<std::unique_ptr<Visit>> knock(const Doorplate& plate, std::shared_ptr<Segments> own,
                                              const Bounds& bounds);
  // Hangs up: the server keeps nothing for this worker any more.
  ~Visit();

  // Says who calls, over the network.
  uint64_t token() const { return token_; }

  // OK: memory is shared. UNAVAILABLE: not yet, or no more, for good.
  Status status();
  // To wait for the server's answer (poll).
  int socket() const { return peer_.socket(); }

  // A call that lends `update` to the server, which `owner` keeps as it is; both may be empty.
  // Nothing: no memory is shared now, or the update is in no segment.
  std::optional<Call> begin(std::span<const float> update, std::shared_ptr<const void> owner);
  // The values of an answer, as the server lent them until the call's end. As Peer::floats_at().
  Result<Floats> values_at(const Place& place) { return peer_.floats_at(place); }
  // The server has answered the call, and its answer is not read any more. UNAVAILABLE: it had hung
  // up by then, and may have written where its answer was: ask again.
  Status answered(uint64_t call);
  // Nobody waits for an answer any more. The update is kept until the server has read it.
  void given_up(uint64_t call);
  // Updates that are lent.
  size_t leases() const;

 private:
  Visit(core::Descriptor socket, std::shared_ptr<Segments> own, const Bounds& bounds,
        std::shared_ptr<const Segment> word);
  Result<std::shared_ptr<CallerLeases>> shared();
  std::shared_ptr<CallerLeases> given() const;

  const Bounds bounds_;
  const uint64_t token_;
  Peer peer_;
  const std::shared_ptr<const Segment> word_;

  mutable std::mutex mutex_;
  std::shared_ptr<CallerLeases> leases_;  // from the server's welcome on
};

}  // namespace sluice::memory
