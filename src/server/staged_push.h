// A push on its way in: its messages bring it in pieces, and somebody waits for what comes of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "core/reply.h"
#include "sluice/status.h"
#include "wire/parameters.h"

namespace sluice::server {

// The answer that somebody waits for, to a message of a push.
struct PushAnswer {
  wire::PushIdentity id;
  wire::ShardRange shards;
  size_t place = 0;  // of the first of them, among the server's
  int64_t member = 0;
  int64_t clock = 0;
  int worker = 0;
  core::TimePoint since{};  // when the push was counted
  bool duplicate = false;
  bool superseded = false;
  std::optional<wire::Wanted> wanted{};
  core::Reply<Result<wire::ExchangeReply>> reply{};
};
using PushAnswers = std::list<PushAnswer>;

struct StagedPush {
  struct Piece {
    bool needed = false, there = false;
    wire::ReceivedPayload update{};  // validated
    int64_t base_version = 0;
  };

  bool complete() const {
    return std::ranges::all_of(pieces,
                               [](const Piece& piece) { return piece.there || !piece.needed; });
  }

  wire::PushHeader header;    // of the first message, with the metrics of the one that had some
  std::vector<Piece> pieces;  // by place
  // Those who have asked for the push to be applied.
  PushAnswers waiting{};
  bool queued = false;    // it will have its turn
  bool applying = false;  // it has its turn: its pieces are being read
};

}  // namespace sluice::server
