#include "wire/parameters.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "compression/decoder.h"
#include "wire/move.h"

namespace sluice::wire {

ReceivedPayload part_of(const ReceivedPayload& payload, size_t offset, size_t bytes) {
  ReceivedPayload part;
  part.owner = payload.owner;
  part.encoding = payload.encoding;
  for (const std::span<const std::byte> piece : payload.pieces) {
    if (bytes == 0) break;
    const size_t skipped = std::min(offset, piece.size());
    const size_t taken = std::min(bytes, piece.size() - skipped);
    if (taken > 0) part.pieces.push_back(piece.subspan(skipped, taken));
    offset -= skipped;
    bytes -= taken;
  }
  return part;
}

Status take(const ReceivedPayload& received, std::span<float> into) {
  if (received.encoding != compression::Compression()) {
    SLUICE_RETURN_IF_ERROR(compression::validate(received.encoding, into.size(), received.pieces));
    compression::Decoder decoder(received.encoding, into.size(), received.pieces);
    alignas(64) float scratch[compression::kBlock];
    for (auto block = decoder.next(scratch); !block.empty(); block = decoder.next(scratch)) {
      for (size_t i = 0; i < block.size(); ++i) into[i] += block[i];
      into = into.subspan(block.size());
    }
    return ok_status();
  }
  if (received.bytes() != into.size_bytes()) {
    return invalid_argument(
        fmt::format("{} bytes of values, expected {}", received.bytes(), into.size_bytes()));
  }
  auto* to = reinterpret_cast<std::byte*>(into.data());
  for (const std::span<const std::byte> piece : received.pieces) {
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  return ok_status();
}

Status take(const PullReply& pulled, std::span<float> into) {
  if (pulled.difference) {
    const auto& [encoding, code] = *pulled.difference;
    return take(ReceivedPayload{{code.bytes}, code.owner, encoding}, into);
  }
  if (pulled.bytes() != into.size_bytes()) {
    return invalid_argument(
        fmt::format("{} bytes of values, expected {}", pulled.bytes(), into.size_bytes()));
  }
  for (const Payload& payload : pulled.values) {
    std::ranges::copy(payload.values, into.begin());
    into = into.subspan(payload.values.size());
  }
  return ok_status();
}

// Only servers of people's jobs have it, and channels to them.
void ParameterService::move(const MoveRequest& /*request*/, core::Reply<Result<MoveReply>> reply) {
  reply(Status(StatusCode::kUnimplemented, "this server keeps its shards"));
}

void ParameterChannel::move(const MoveRequest& /*request*/, const CallOptions& /*options*/,
                            core::Reply<Result<MoveReply>> reply) {
  reply(Status(StatusCode::kUnimplemented, "this channel moves no shards"));
}

}  // namespace sluice::wire
