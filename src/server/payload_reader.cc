#include "server/payload_reader.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/check.h"

namespace sluice::server {

std::span<const float> PayloadReader::next(std::span<float> scratch) {
  if (decoder_) return decoder_->next(scratch);
  if (!pieces_.empty()) {
    const std::byte* at = pieces_.front().data() + position_;
    const bool aligned = reinterpret_cast<uintptr_t>(at) % alignof(float) == 0;
    if (aligned && pieces_.front().size() - position_ >= scratch.size_bytes()) {
      position_ += scratch.size_bytes();
      return {reinterpret_cast<const float*>(at), scratch.size()};
    }
  }
  copy(scratch);
  return scratch;
}

void PayloadReader::copy(std::span<float> into) {
  std::span<std::byte> rest = std::as_writable_bytes(into);
  while (!rest.empty()) {
    SLUICE_CHECK(!pieces_.empty()) << "payload ended " << rest.size() << " bytes early";
    const std::span<const std::byte> piece = pieces_.front().subspan(position_);
    const size_t n = std::min(piece.size(), rest.size());
    if (n > 0) std::memcpy(rest.data(), piece.data(), n);
    rest = rest.subspan(n);
    position_ += n;
    if (n == piece.size()) {
      pieces_ = pieces_.subspan(1);
      position_ = 0;
    }
  }
}

}  // namespace sluice::server
