// Which versions of a model's values somebody has: one for each shard, as they were cut when the
// values came. Shards may be cut otherwise later, so a version is of a range of floats here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/shard_map.h"

namespace sluice::client {

class Versions {
 public:
  Versions() = default;  // of nothing
  // 0, of each shard.
  explicit Versions(const wire::ShardMap& shard_map);

  bool empty() const { return pieces_.empty(); }
  void set(int shard, int64_t version) { pieces_[static_cast<size_t>(shard)].version = version; }
  // Of these floats.
  int64_t oldest(size_t offset, size_t size) const;
  std::vector<int64_t> by_shard() const;

  // The same of other shards: of each the oldest that it has a part of.
  Versions cut_as(const wire::ShardMap& shard_map) const;
  // Of each shard of `others` the older of both.
  void lower_to(const Versions& others);
  void add(int64_t pushes);

 private:
  struct Piece {
    size_t end = 0;  // it begins where the one before it ends
    int64_t version = 0;
  };
  std::vector<Piece> pieces_;
};

}  // namespace sluice::client
