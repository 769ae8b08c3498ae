// Reads the floats of a message block by block, whatever way its pieces are cut.
//
// A block that lies in one piece and on a float's boundary is lent as it is; any other is copied
// into the caller's scratch space, which should stay in the cache, and one that is encoded is
// decoded into it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "compression/decoder.h"
#include "wire/parameters.h"

namespace sluice::server {

class PayloadReader {
 public:
  // `payload` outlives the reader, has `values` floats, and, where it is encoded, has been
  // validated.
  PayloadReader(const wire::ReceivedPayload& payload, size_t values) : pieces_(payload.pieces) {
    if (payload.encoding != compression::Compression()) {
      decoder_.emplace(payload.encoding, values, pieces_);
    }
  }

  // The next `scratch.size()` floats; at most that many must be left. Valid until the next call.
  // Of what is encoded: the next compression::kBlock, or what is left.
  std::span<const float> next(std::span<float> scratch);

  // Of what is not encoded: copies the next `into.size()` floats.
  void copy(std::span<float> into);

 private:
  std::span<const std::span<const std::byte>> pieces_;  // the first is the one being read
  size_t position_ = 0;                                 // in the first piece
  std::optional<compression::Decoder> decoder_;
};

}  // namespace sluice::server
