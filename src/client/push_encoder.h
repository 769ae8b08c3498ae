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

#include <memory>
#include <optional>
#include <vector>

#include "compression/compression.h"
#include "core/aligned_buffer.h"
#include "wire/parameters.h"

namespace sluice::client {

class PushEncoder {
 public:
  // The map outlives it; it may become another with cut_as().
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
  // The push has not been applied as it was cut: all of it that has not arrived anywhere, encoded
  // or kept back, as floats. `update` itself, where nothing is. `offset`: where it begins.
  std::shared_ptr<const core::AlignedBuffer> taken_back(
      std::shared_ptr<const core::AlignedBuffer> update, size_t offset);
  // The map has been `before`, and is `now`. Between two pushes.
  void cut_as(const wire::ShardMap& before, const wire::ShardMap& now);
  // The push is over. Its codes go when nobody sends them any more.
  void end(bool is_acknowledged);

 private:
  const wire::ShardMap& shard_map_;
  std::vector<std::optional<core::AlignedBuffer>> residuals_;  // by shard; none: zero
  struct Made {
    Code code;
    wire::ShardRange shards;
  };
  std::vector<std::optional<Made>> codes_;  // by message
};

}  // namespace sluice::client
