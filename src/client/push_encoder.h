// Makes a worker's updates smaller on their way, and keeps what that leaves for later
// (compression/compression.h).
//
// Each shard has its residual, which is the worker's, as its optimizer's state is: it goes from one
// push, and one lease, to the next. When it is not known what became of a push, or whether it was
// this worker's that was applied, it is dropped: what it was before might be in the servers' values
// already, and the rest of the push with another's.
//
// Used by one thread at a time.
#pragma once

#include <optional>
#include <vector>

#include "compression/compression.h"
#include "core/aligned_buffer.h"
#include "wire/parameters.h"

namespace sluice::client {

class PushEncoder {
 public:
  explicit PushEncoder(const wire::ShardMap& shard_map)
      : shard_map_(shard_map), residuals_(static_cast<size_t>(shard_map.size())) {}

  // A push begins, of so many messages.
  void begin(size_t messages) { codes_.assign(messages, std::nullopt); }
  struct Code {
    compression::Compression encoding{};
    wire::Bytes bytes{};
  };
  // What goes out for the update of these shards in this message: encoded once, however often and
  // whatever way it is sent; the update itself where there is nothing to encode. Of several shards
  // `encoding` is none.
  const Code& encode(int message, const compression::Compression& encoding, wire::ShardRange shards,
                     const wire::Payload& update);
  // The push is over. Its codes go when nobody sends them any more.
  void end(bool is_acknowledged);

 private:
  const wire::ShardMap& shard_map_;
  std::vector<std::optional<core::AlignedBuffer>> residuals_;  // by shard; none: zero
  std::vector<std::optional<Code>> codes_;                     // by message
};

}  // namespace sluice::client
