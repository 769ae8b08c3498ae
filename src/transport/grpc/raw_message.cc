#include "transport/grpc/raw_message.h"

#include <algorithm>
#include <cstdint>

namespace sluice::transport {
namespace {

// Protobuf's wire types; 3 and 4, the long obsolete groups, are not read.
enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

constexpr uint32_t kHeaderField = 1;
constexpr uint32_t kPayloadField = 15;

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// A position in bytes that lie in several pieces.
class Cursor {
 public:
  explicit Cursor(const std::vector<std::span<const std::byte>>& pieces) : pieces_(pieces) {
    for (const auto& piece : pieces) left_ += piece.size();
  }

  size_t left() const { return left_; }

  // Hands out the next `n` bytes, at most left(), piece by piece.
  template <typename Take>
  void take(size_t n, Take take_piece) {
    left_ -= n;
    while (n > 0) {
      const auto rest = pieces_[index_].subspan(position_);
      const size_t part = std::min(rest.size(), n);
      if (part > 0) take_piece(rest.first(part));
      n -= part;
      position_ += part;
      if (part == rest.size()) {
        ++index_;
        position_ = 0;
      }
    }
  }

  // False: the bytes end inside it, or it is longer than 64 bits.
  bool varint(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && left_ > 0; shift += 7) {
      uint64_t byte = 0;
      take(1, [&](auto piece) { byte = std::to_integer<uint64_t>(piece[0]); });
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

 private:
  const std::vector<std::span<const std::byte>>& pieces_;
  size_t index_ = 0;
  size_t position_ = 0;
  size_t left_ = 0;
};

// How many bytes the value of a field has, after reading its length where there is one.
bool value_size(Cursor& cursor, uint64_t type, uint64_t& size) {
  uint64_t skipped = 0;
  switch (type) {
    case kVarint:
      size = 0;
      return cursor.varint(skipped);
    case kFixed64:
      size = 8;
      break;
    case kFixed32:
      size = 4;
      break;
    case kLength:
      if (!cursor.varint(size)) return false;
      break;
    default:
      return false;
  }
  return size <= cursor.left();
}

}  // namespace

std::string encode_prefix(std::string_view header, size_t payload_bytes) {
  std::string prefix;
  prefix.reserve(header.size() + 16);
  append_varint(prefix, kHeaderField << 3 | kLength);
  append_varint(prefix, header.size());
  prefix.append(header);
  append_varint(prefix, kPayloadField << 3 | kLength);
  append_varint(prefix, payload_bytes);
  return prefix;
}

Result<RawMessage> decode(const std::vector<std::span<const std::byte>>& pieces) {
  const Status malformed = invalid_argument("the message is damaged: it is no valid protobuf");
  RawMessage message;
  Cursor cursor(pieces);
  while (cursor.left() > 0) {
    uint64_t tag = 0;
    uint64_t size = 0;
    if (!cursor.varint(tag) || tag >> 3 == 0 || !value_size(cursor, tag & 7, size)) {
      return malformed;
    }
    if (tag == (kPayloadField << 3 | kLength)) {
      message.payload.clear();
      cursor.take(size, [&](auto piece) { message.payload.push_back(piece); });
    } else if (tag == (kHeaderField << 3 | kLength)) {
      cursor.take(size, [&](auto piece) {
        message.header.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      });
    } else {
      cursor.take(size, [](auto) {});
    }
  }
  return message;
}

}  // namespace sluice::transport
