#include "client/push_encoder.h"

#include <algorithm>
#include <memory>

#include "compression/encoder.h"

namespace sluice::client {

using compression::Compression;

const PushEncoder::Code& PushEncoder::encode(int message, const Compression& encoding,
                                             wire::ShardRange shards, const wire::Payload& update) {
  std::optional<Code>& made = codes_[static_cast<size_t>(message)];
  if (made) return *made;
  const auto residuals =
      std::span(residuals_)
          .subspan(static_cast<size_t>(shards.first), static_cast<size_t>(shards.count));
  const bool whole = encoding == Compression();
  if (whole && std::ranges::none_of(residuals, [](const auto& one) { return one.has_value(); })) {
    return made.emplace(Code{{}, update});
  }
  const auto code = std::make_shared<std::vector<std::byte>>(
      compression::encoded_bytes(encoding, update.values.size()));
  std::span<std::byte> into(*code);
  std::span<const float> values = update.values;
  for (int index = shards.first; index < shards.end(); ++index) {
    const size_t size = shard_map_[index].size;
    auto& residual = residuals_[static_cast<size_t>(index)];
    if (!residual) {
      residual.emplace(size);
      std::ranges::fill(residual->span(), 0.0f);
    }
    const size_t bytes = compression::encoded_bytes(encoding, size);
    compression::encode(encoding, values.first(size), residual->span(), into.first(bytes));
    values = values.subspan(size);
    into = into.subspan(bytes);
    if (whole) residual.reset();
  }
  return made.emplace(Code{encoding, {code, *code}});
}

void PushEncoder::end(bool is_acknowledged) {
  codes_.clear();
  if (!is_acknowledged) std::ranges::fill(residuals_, std::nullopt);
}

}  // namespace sluice::client
