// The segments of this process that others may be given, by number and by address.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "memory/segment.h"

namespace sluice::memory {

// Where bytes are that one process tells another of.
struct Place {
  uint64_t segment = 0;  // a number of whoever made it
  uint64_t offset = 0;
  uint64_t bytes = 0;

  friend bool operator==(const Place&, const Place&) = default;
};

// Thread-safe. Segments may outlive it.
class Segments {
 public:
  Segments();

  // Errors as Segment::make().
  Result<std::shared_ptr<Segment>> make(size_t bytes);

  struct Found {
    Place place;
    const Segment* segment = nullptr;  // lives as long as the bytes that were asked for
  };
  // Nothing: they are not in any.
  std::optional<Found> find(std::span<const std::byte> bytes) const;

  bool has(uint64_t segment) const;
  // How many there have been that are gone.
  uint64_t ended() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;
};

}  // namespace sluice::memory
