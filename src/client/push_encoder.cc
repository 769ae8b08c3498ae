#include "client/push_encoder.h"

#include <algorithm>
#include <memory>

#include "compression/encoder.h"
#include "core/check.h"

namespace sluice::client {

using compression::Compression;

const PushEncoder::Code& PushEncoder::encode(int message, const Compression& encoding,
                                             wire::ShardRange shards, const wire::Payload& update) {
  std::optional<Made>& made = codes_[static_cast<size_t>(message)];
  if (made) return made->code;
  const auto residuals =
      std::span(residuals_)
          .subspan(static_cast<size_t>(shards.first), static_cast<size_t>(shards.count));
  const bool whole = encoding == Compression();
  if (whole && std::ranges::none_of(residuals, [](const auto& one) { return one.has_value(); })) {
    return made.emplace(Made{{{}, update}, shards}).code;
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
  return made.emplace(Made{{encoding, {code, *code}}, shards}).code;
}

// What was sent and what was left of it are what there was, the update and what had been left
// before.
std::shared_ptr<const core::AlignedBuffer> PushEncoder::taken_back(
    std::shared_ptr<const core::AlignedBuffer> update, size_t offset) {
  const bool is_as_it_was =
      std::ranges::none_of(residuals_, [](const auto& one) { return one.has_value(); }) &&
      std::ranges::none_of(codes_, [&](const auto& one) {
        return one && one->shards.count > 0 && one->code.bytes.owner != update;
      });
  if (is_as_it_was) return update;
  const auto all = std::make_shared<core::AlignedBuffer>(update->size());
  const auto place_of = [&](wire::ShardRange shards) {
    return all->span().subspan(shard_map_[shards.first].offset - offset,
                               shard_map_.floats_of(shards));
  };
  std::ranges::copy(update->span(), all->data());
  for (const std::optional<Made>& made : codes_) {
    if (!made || made->shards.count == 0) continue;
    const std::span<float> its = place_of(made->shards);
    if (made->code.encoding != Compression()) std::ranges::fill(its, 0.0f);  // it is added
    const Status taken = wire::take(
        wire::ReceivedPayload{{made->code.bytes.bytes}, nullptr, made->code.encoding}, its);
    SLUICE_CHECK(taken.ok()) << taken.message();
  }
  for (const wire::Shard& shard : shard_map_.shards()) {
    std::optional<core::AlignedBuffer>& residual = residuals_[static_cast<size_t>(shard.index)];
    const bool has = shard.offset >= offset && shard.offset - offset < all->size();
    if (!residual || !has) continue;
    const std::span<float> its = place_of({shard.index, 1});
    for (size_t i = 0; i < its.size(); ++i) its[i] += (*residual)[i];
    residual.reset();
  }
  codes_.clear();
  return all;
}

void PushEncoder::cut_as(const wire::ShardMap& before, const wire::ShardMap& now) {
  std::vector<std::optional<core::AlignedBuffer>> cut(static_cast<size_t>(now.size()));
  for (const wire::Shard& shard : before.shards()) {
    const auto& residual = residuals_[static_cast<size_t>(shard.index)];
    if (!residual) continue;
    const wire::ShardMap::Part part = now.covering(shard.offset, shard.size);
    for (int index = part.first; index < part.first + part.shards; ++index) {
      const wire::Shard& other = now[index];
      auto& into = cut[static_cast<size_t>(index)];
      if (!into) into.emplace(other.size);
      const size_t begin = std::max(shard.offset, other.offset);
      const size_t end = std::min(shard.offset + shard.size, other.offset + other.size);
      std::copy_n(residual->data() + (begin - shard.offset), end - begin,
                  into->data() + (begin - other.offset));
    }
  }
  residuals_ = std::move(cut);
}

void PushEncoder::end(bool is_acknowledged) {
  codes_.clear();
  if (!is_acknowledged) std::ranges::fill(residuals_, std::nullopt);
}

}  // namespace sluice::client
