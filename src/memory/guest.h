// A worker that shares memory with this server, as the server sees it.
//
//   header comes:  update = guest->update(header.call, header.place)    read where the worker wrote
//   answer goes:   place = guest->lend(header.call, snapshot, owner)    read where the server did
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "memory/leases.h"
#include "memory/peer.h"

namespace sluice::memory {

class Guest {
 public:
  // Answers a hello, which `word` came with. Errors as Segment::make().
  static Result<std::shared_ptr<Guest>> welcome(core::Descriptor socket,
                                                std::shared_ptr<const PeerSegment> word,
                                                std::shared_ptr<Segments> own,
                                                const Bounds& bounds);
  ~Guest() { leave(); }

  // The update of a call, until its owner goes. CANCELLED: nobody waits for the call any more.
  // Others as Peer::floats_at().
  Result<Floats> update(uint64_t call, const Place& place);

  // Where the worker finds `values`, which `owner` keeps as they are until it is done with the
  // call. Nothing: send their bytes.
  std::optional<Place> lend(uint64_t call, std::span<const float> values,
                            std::shared_ptr<const void> owner);

  // Lets go of what the worker is done with.
  void release() { leases_->release(); }
  size_t leases() const { return leases_->size(); }

  // As Peer's.
  Status receive() { return peer_.receive(); }
  int socket() const { return peer_.socket(); }
  // Hangs up, and keeps nothing for the worker any more.
  void leave();

 private:
  Guest(core::Descriptor socket, std::shared_ptr<Segments> own, const Bounds& bounds,
        std::shared_ptr<ServerLeases> leases)
      : peer_(std::move(socket), std::move(own), bounds), leases_(std::move(leases)) {}

  Peer peer_;
  const std::shared_ptr<ServerLeases> leases_;
};

}  // namespace sluice::memory
