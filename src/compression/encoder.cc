#include "compression/encoder.h"

#include <algorithm>

#include "compression/codecs.h"
#include "core/check.h"

namespace sluice::compression {

void encode(const Compression& compression, std::span<const float> values,
            std::span<float> residual, std::span<std::byte> into) {
  const size_t bytes = encoded_bytes(compression, values.size());
  SLUICE_CHECK(residual.size() == values.size() && into.size() == bytes)
      << values.size() << " values with " << residual.size() << " residuals take " << bytes
      << " bytes, not " << into.size();
  std::byte* at = into.data();
  for (size_t i = 0; i < values.size(); i += kBlock) {
    const size_t n = std::min(kBlock, values.size() - i);
    encode_block(compression, n, values.data() + i, residual.data() + i, at);
    at += block_bytes(compression, n);
  }
}

}  // namespace sluice::compression
