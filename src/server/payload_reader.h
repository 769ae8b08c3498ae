// Reads the floats of a message block by block, whatever way its pieces are cut.
//
// A block that lies in one piece and on a float's boundary is lent as it is; any other is copied
// into the caller's scratch space, which should stay in the cache.
#pragma once

#include <cstddef>
#include <span>

#include "wire/parameters.h"

namespace sluice::server {

class PayloadReader {
 public:
  // `payload` outlives the reader.
  explicit PayloadReader(const wire::ReceivedPayload& payload) : pieces_(payload.pieces) {}

  // The next `scratch.size()` floats; at most that many must be left. Valid until the next call.
  std::span<const float> next(std::span<float> scratch);

  // Copies the next `into.size()` floats.
  void copy(std::span<float> into);

 private:
  std::span<const std::span<const std::byte>> pieces_;  // the first is the one being read
  size_t position_ = 0;                                 // in the first piece
};

}  // namespace sluice::server
