#include "client/versions.h"

#include <algorithm>

namespace sluice::client {

Versions::Versions(const wire::ShardMap& shard_map) {
  for (const wire::Shard& shard : shard_map.shards()) {
    pieces_.push_back({shard.offset + shard.size, 0});
  }
}

int64_t Versions::oldest(size_t offset, size_t size) const {
  auto its = std::ranges::upper_bound(pieces_, offset, {}, &Piece::end);
  int64_t version = its == pieces_.end() ? 0 : its->version;
  for (; its != pieces_.end() && its->end < offset + size; ++its) {
    version = std::min(version, (its + 1)->version);
  }
  return version;
}

std::vector<int64_t> Versions::by_shard() const {
  std::vector<int64_t> versions;
  for (const Piece& piece : pieces_) versions.push_back(piece.version);
  return versions;
}

Versions Versions::cut_as(const wire::ShardMap& shard_map) const {
  Versions cut(shard_map);
  for (const wire::Shard& shard : shard_map.shards()) {
    cut.set(shard.index, oldest(shard.offset, shard.size));
  }
  return cut;
}

void Versions::lower_to(const Versions& others) {
  std::vector<Piece> lower = others.pieces_;
  size_t begin = 0;
  for (Piece& piece : lower) {
    piece.version = std::min(piece.version, oldest(begin, piece.end - begin));
    begin = piece.end;
  }
  pieces_ = std::move(lower);
}

void Versions::add(int64_t pushes) {
  for (Piece& piece : pieces_) piece.version += pushes;
}

}  // namespace sluice::client
