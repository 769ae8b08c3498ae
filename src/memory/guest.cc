#include "memory/guest.h"

#include <utility>

namespace sluice::memory {

Result<std::shared_ptr<Guest>> Guest::welcome(core::Descriptor socket,
                                              std::shared_ptr<const PeerSegment> word,
                                              std::shared_ptr<Segments> own, const Bounds& bounds) {
  SLUICE_ASSIGN_OR_RETURN(Segment segment, Segment::make(kWordSegment));
  if (!send(socket.get(), {Kind::kWelcome}, segment.fd())) return unavailable("has hung up");
  auto leases =
      std::make_shared<ServerLeases>(OwnWord(std::make_shared<const Segment>(std::move(segment))),
                                     PeerWord(std::move(word)), bounds.leases);
  return std::shared_ptr<Guest>(
      new Guest(std::move(socket), std::move(own), bounds, std::move(leases)));
}

Result<Floats> Guest::update(uint64_t call, const Place& place) {
  auto claim = leases_->claim(call);
  if (claim == nullptr) return cancelled("the worker has given this call up");
  SLUICE_ASSIGN_OR_RETURN(Floats floats, peer_.floats_at(place));
  using Owners = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  floats.owner = std::make_shared<const Owners>(std::move(floats.owner), std::move(claim));
  return floats;
}

std::optional<Place> Guest::lend(uint64_t call, std::span<const float> values,
                                 std::shared_ptr<const void> owner) {
  const auto place = peer_.tell(values);
  if (!place || !leases_->hold(call, std::move(owner))) return std::nullopt;
  return place;
}

// In this order: see Visit::answered().
void Guest::leave() {
  peer_.hang_up();
  leases_->close();
}

}  // namespace sluice::memory
