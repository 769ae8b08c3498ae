#include "compression/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "compression/codecs.h"
#include "core/check.h"

namespace sluice::compression {
namespace {

// What a block takes at most, uncompressed.
constexpr size_t kMostBytes = kBlock * sizeof(float);

}  // namespace

size_t Decoder::next_size() const { return std::min(kBlock, values_ - decoded_); }

const std::byte* Decoder::take(std::span<std::byte> buffer) {
  const std::byte* lent = nullptr;
  for (size_t done = 0; lent == nullptr && done < buffer.size();) {
    SLUICE_CHECK(!pieces_.empty()) << "update ended " << buffer.size() - done << " bytes early";
    const std::span<const std::byte> piece = pieces_.front().subspan(position_);
    const size_t n = std::min(piece.size(), buffer.size() - done);
    if (n == buffer.size()) {
      lent = piece.data();
    } else if (n > 0) {
      std::memcpy(buffer.data() + done, piece.data(), n);
    }
    done += n;
    skip(n);
  }
  return lent != nullptr ? lent : buffer.data();
}

void Decoder::skip(size_t bytes) {
  position_ += bytes;
  while (!pieces_.empty() && position_ >= pieces_.front().size()) {
    position_ -= pieces_.front().size();
    pieces_ = pieces_.subspan(1);
  }
}

std::span<float> Decoder::next(std::span<float> scratch) {
  const size_t n = next_size();
  if (n == 0) return {};
  SLUICE_CHECK(scratch.size() >= n) << n << " values for a scratch of " << scratch.size();
  std::byte buffer[kMostBytes];
  const std::byte* const from = take(std::span(buffer).first(block_bytes(compression_, n)));
  decode_block(compression_, n, from, scratch.data());
  decoded_ += n;
  return scratch.first(n);
}

void Decoder::seek(size_t block) {
  pieces_ = all_;
  position_ = 0;
  decoded_ = std::min(block * kBlock, values_);
  skip(encoded_bytes(compression_, decoded_));
}

Status validate(const Compression& compression, size_t values, Pieces pieces) {
  size_t bytes = 0;
  for (const auto& piece : pieces) bytes += piece.size();
  if (const size_t expected = encoded_bytes(compression, values); bytes != expected) {
    return invalid_argument(fmt::format("{} update: expected {} bytes for {} values, got {}",
                                        compression.to_string(), expected, values, bytes));
  }
  if (compression.kind != Compression::Kind::kTopK) return ok_status();
  std::byte buffer[kMostBytes];
  Decoder decoder(compression, values, pieces);
  while (decoder.decoded_ < values) {
    const size_t n = decoder.next_size();
    const size_t size = block_bytes(compression, n);
    if (!check_block(compression, n, decoder.take(std::span(buffer).first(size)))) {
      return data_loss(fmt::format("{} update: the block from value {} on has damaged positions",
                                   compression.to_string(), decoder.decoded_));
    }
    decoder.decoded_ += n;
  }
  return ok_status();
}

}  // namespace sluice::compression
