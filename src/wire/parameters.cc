#include "wire/parameters.h"

#include <algorithm>

namespace sluice::wire {

ReceivedPayload part_of(const ReceivedPayload& payload, size_t offset, size_t bytes) {
  ReceivedPayload part;
  part.owner = payload.owner;
  for (const std::span<const std::byte> piece : payload.pieces) {
    if (bytes == 0) break;
    const size_t skipped = std::min(offset, piece.size());
    const size_t taken = std::min(bytes, piece.size() - skipped);
    if (taken > 0) part.pieces.push_back(piece.subspan(skipped, taken));
    offset -= skipped;
    bytes -= taken;
  }
  return part;
}

}  // namespace sluice::wire
