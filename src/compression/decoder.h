// Reads what encode() wrote, block by block, whatever way its bytes are cut.
//
//   SLUICE_RETURN_IF_ERROR(validate(compression, values, pieces));
//   Decoder decoder(compression, values, pieces);
//   for (auto block = decoder.next(scratch); !block.empty(); block = decoder.next(scratch)) ...
//
// `pieces`: as wire::ReceivedPayload has them, cut anywhere, also inside a float.
#pragma once

#include <cstddef>
#include <span>

#include "compression/compression.h"
#include "sluice/status.h"

namespace sluice::compression {

using Pieces = std::span<const std::span<const std::byte>>;

// Whether the bytes are the code of `values` values: to be asked before anything is applied.
// INVALID_ARGUMENT: their number is another. DATA_LOSS: topk's positions are more or fewer than
// must be, or out of range; in none can one come twice. Scales, means and values may be anything:
// one that is not finite decodes to what is not finite, as it would come without compression.
//
// Cost: the number of pieces; of topk a small part of decoding it.
Status validate(const Compression& compression, size_t values, Pieces pieces);

// One is used by one thread at a time. Several threads decode one update with a copy each.
class Decoder {
 public:
  // Of bytes that validate() accepted; of others, those that are missing or damaged end the process
  // when they come to be read. The pieces outlive the decoder and its copies.
  Decoder(const Compression& compression, size_t values, Pieces pieces)
      : compression_(compression), values_(values), all_(pieces), pieces_(pieces) {}

  // Decodes the next block into the beginning of `scratch`, which has room for kBlock values, or
  // for all: kBlock of them, fewer in the last block, none behind it.
  std::span<float> next(std::span<float> scratch);

  // The next block is the one that begins at value `block` * kBlock. Cost: the number of pieces.
  void seek(size_t block);

 private:
  friend Status validate(const Compression& compression, size_t values, Pieces pieces);

  size_t next_size() const;
  // The next bytes, where they lie or, where they are cut, in `buffer`, which is as large.
  const std::byte* take(std::span<std::byte> buffer);
  void skip(size_t bytes);

  Compression compression_;
  size_t values_;
  Pieces all_;
  Pieces pieces_;        // the first is the one being read
  size_t position_ = 0;  // in the first piece
  size_t decoded_ = 0;   // values before the next block
};

}  // namespace sluice::compression
