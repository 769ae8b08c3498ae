// Another process of this host that memory is shared with: which segments each has told the other.
//
// A segment is told over the socket before its number is used elsewhere, so a number that is not
// known yet is in the socket by then: nobody waits, and no thread of its own is needed.
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "core/descriptor.h"
#include "memory/message.h"
#include "memory/segments.h"
#include "sluice/status.h"

namespace sluice::memory {

// What one process takes of another, and tells it at most.
struct Bounds {
  size_t segments = 4096;
  uint64_t bytes = uint64_t{1} << 40;  // of all of them
  size_t leases = 64;
};

// Floats of the other process, as they are while `owner` lives. They may be any numbers, and change
// meanwhile if the other process breaks its word.
struct Floats {
  std::span<const float> values;
  std::shared_ptr<const void> owner;
};

class Peer {
 public:
  // `socket`: of connect_to(), or of who has accepted that. `own`: what it can be told of.
  Peer(core::Descriptor socket, std::shared_ptr<Segments> own, const Bounds& bounds)
      : own_(std::move(own)), bounds_(bounds), socket_(std::move(socket)) {}

  // Where the other finds `values`. Nothing: they are in no segment, or it cannot be told now.
  std::optional<Place> tell(std::span<const float> values);

  // What the other has told. INVALID_ARGUMENT: there is no such segment, or not so much in it, or
  // no float begins there. UNAVAILABLE: the other process is gone.
  Result<Floats> floats_at(const Place& place);

  // Takes in what has come. UNAVAILABLE: the other process is gone. INVALID_ARGUMENT: it has broken
  // the rules, and been hung up on. Either is for good.
  Status receive();
  void hang_up();

  // The segment with the other's word; null: it has not come yet.
  std::shared_ptr<const PeerSegment> word() const;
  // To wait for what comes (poll).
  int socket() const { return socket_.get(); }

 private:
  // With the lock.
  Status receive_all();
  Status take(Received received);
  bool tell_segment(const Segments::Found& found);
  void tell_gone();
  void end(Status why);

  const std::shared_ptr<Segments> own_;
  const Bounds bounds_;
  const core::Descriptor socket_;

  mutable std::mutex mutex_;
  Status end_;  // not OK: it is over
  std::shared_ptr<const PeerSegment> word_;
  std::map<uint64_t, std::shared_ptr<const PeerSegment>> segments_;  // the other's
  uint64_t segment_bytes_ = 0;
  std::map<uint64_t, uint64_t> told_;  // bytes by number
  uint64_t told_bytes_ = 0;
  uint64_t seen_ended_ = 0;  // Segments::ended() when told_ was last looked through
};

inline constexpr size_t kWordSegment = 4096;

// The segment that a hello or a welcome brings.
Result<std::shared_ptr<const PeerSegment>> map_word(Received& received);

}  // namespace sluice::memory
