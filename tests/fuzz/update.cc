#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "compression/decoder.h"
#include "compression/encoder.h"
#include "tests/fuzz/targets.h"

namespace sluice::fuzz {
namespace {

using compression::Compression;
using compression::kBlock;
using Pieces = std::vector<std::span<const std::byte>>;

constexpr const char* kCodecs[] = {"none", "fp16",       "bf16",     "int8",
                                   "1bit", "topk:0.001", "topk:0.1", "topk:0.5"};

Pieces cut(std::span<const std::byte> bytes, size_t at) {
  at = std::min(at, bytes.size());
  return {bytes.first(at / 2), bytes.subspan(at / 2, at - at / 2), bytes.subspan(at)};
}

std::vector<float> decoded(const Compression& compression, size_t values, const Pieces& pieces) {
  std::vector<float> result, scratch(kBlock);
  compression::Decoder decoder(compression, values, pieces);
  for (auto block = decoder.next(scratch); !block.empty(); block = decoder.next(scratch)) {
    result.insert(result.end(), block.begin(), block.end());
  }
  require(result.size() == values, "as many values as there should be");
  if (values <= kBlock) return result;
  decoder.seek(1);
  const auto second = decoder.next(scratch);
  require(std::memcmp(second.data(), result.data() + kBlock, second.size_bytes()) == 0,
          "a block is what it is, wherever one begins");
  return result;
}

// Bytes that came; refused, or as many values.
void read_as_bytes(const Compression& compression, size_t values, const Pieces& pieces) {
  if (compression::validate(compression, values, pieces).ok()) {
    decoded(compression, values, pieces);
  }
}

// Floats to be sent.
void read_as_floats(const Compression& compression, std::span<const std::byte> bytes, size_t at) {
  std::vector<float> values(bytes.size() / sizeof(float)), residual(values.size(), 0.0f);
  if (values.empty()) return;
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  std::vector<std::byte> code(compression::encoded_bytes(compression, values.size()));
  compression::encode(compression, values, residual, code);
  require(compression::validate(compression, values.size(), cut(code, at)).ok(),
          "what is written is read");
  const std::vector<float> read = decoded(compression, values.size(), cut(code, at));
  for (size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(residual[i]), "residuals are finite");
    if (std::isfinite(read[i])) {
      require(residual[i] == (std::isfinite(values[i]) ? values[i] - read[i] : 0),
              "what was not sent is kept");
    }
  }
}

}  // namespace

// The first byte chooses the codec, two say how many values are expected, one where the rest is
// cut.
void run_update(std::string_view input) {
  if (input.size() < 4) return;
  const auto bytes = std::as_bytes(std::span(input));
  const auto number = [&](size_t i) { return std::to_integer<size_t>(bytes[i]); };
  const Compression compression = *Compression::parse(kCodecs[number(0) % std::size(kCodecs)]);
  const size_t values = number(1) | number(2) << 8;
  read_as_bytes(compression, values, cut(bytes.subspan(4), number(3)));
  read_as_floats(compression, bytes.subspan(4), number(3));
}

}  // namespace sluice::fuzz
