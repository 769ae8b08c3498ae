// How the parameters are cut into shards: by bytes, evenly, never by layer.
//
// A shard is what a message carries, what one core works on at a time, and what moves between
// servers. Shards are kept to a few MiB, so that a push is several messages in flight. Which pushes
// are applied is decided by each server for all of its shards at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/status.h"

namespace sluice::wire {

struct Shard {
  int index = 0;
  size_t offset = 0;  // in floats, from the start of the parameters
  size_t size = 0;    // in floats
  int server = 0;     // who owns it

  friend bool operator==(const Shard&, const Shard&) = default;
};

// Some shards, in order and without gaps.
struct ShardRange {
  int first = 0;
  int count = 1;

  int end() const { return first + count; }
  friend bool operator==(const ShardRange&, const ShardRange&) = default;
};

// The most floats in a shard when nobody says how many shards there are: 4 MiB.
inline constexpr size_t kDefaultShardSize = size_t{1} << 20;
// The most shards in a map, and floats in them all: 4 TiB.
inline constexpr int kMostShards = 1 << 16;
inline constexpr size_t kMostParameters = size_t{1} << 40;
// The most floats of several shards in one message: 256 MiB.
inline constexpr size_t kMostTogether = size_t{1} << 26;

class ShardMap {
 public:
  // The server that is told what pushes trained on, so that it is counted once.
  static constexpr int kLedgerServer = 0;

  ShardMap() = default;
  explicit ShardMap(std::vector<Shard> shards) : shards_(std::move(shards)) {}

  // `parameters` floats in `shards` pieces whose sizes differ by at most one cache line (16
  // floats), contiguous runs of shards on each of `servers`. shards = 0: as few as keep each within
  // kDefaultShardSize, a multiple of `servers`. Throws std::invalid_argument when there are fewer
  // shards than servers, more shards than parameters, or too many of either.
  static ShardMap even(size_t parameters, int shards, int servers);

  // The same for each of `parts` equal parts of the parameters, one behind the other, so that no
  // shard is of two of them. Throws also when there are not as many shards, or floats, in each.
  static ShardMap in_parts(size_t parameters, int64_t parts, int shards, int servers);

  // INVALID_ARGUMENT unless the shards are numbered in order, contiguous from 0, none empty, small
  // enough for one message each (4 GiB), not too many, and on no more servers than there are
  // shards. For maps that came over the network.
  Status validate() const;

  // Some of the shards, in order and without gaps.
  struct Part {
    int first = 0, shards = 0;    // indices
    size_t offset = 0, size = 0;  // floats
    bool has(int shard) const { return shard >= first && shard < first + shards; }
  };

  // What goes in one message each.
  struct Message {
    int server = 0;
    ShardRange shards{};
  };
  // Of the shards of `part`: every one by itself, or, of the servers that `together` says so of, as
  // many as follow one another and come to no more than kMostTogether.
  std::vector<Message> messages(const Part& part, const std::vector<char>& together) const;
  size_t largest_message() const;  // in floats, whoever is said to be together

  const std::vector<Shard>& shards() const { return shards_; }
  const Shard& operator[](int index) const { return shards_[static_cast<size_t>(index)]; }
  int size() const { return static_cast<int>(shards_.size()); }
  int servers() const;        // one more than the largest server index, of a valid map
  size_t parameters() const;  // floats in all
  std::vector<int> owned_by(int server) const;
  size_t floats_of(ShardRange range) const;  // of one that the map has
  size_t floats_on(int server) const;
  Part whole() const { return {0, size(), 0, parameters()}; }
  // Of as many parts as in_parts() was told.
  Part part(int64_t index, int64_t parts) const;
  // The shards of these floats, at both ends of which there is a cut.
  Part part_at(size_t offset, size_t size) const;
  // Those that the floats are of, whole.
  Part covering(size_t offset, size_t size) const;
  // Which of them the shard is of.
  int64_t part_of(int shard, int64_t parts) const { return shard / (size() / parts); }
  // INVALID_ARGUMENT unless in_parts() makes such a map.
  Status validate_parts(int64_t parts) const;

  friend bool operator==(const ShardMap&, const ShardMap&) = default;

 private:
  std::vector<Shard> shards_;
};

// Where the parameters are.
struct Placement {
  int64_t revision = 0;  // grows with every move of shards
  ShardMap shard_map{};
  std::vector<std::string> servers{};  // addresses, by server index

  friend bool operator==(const Placement&, const Placement&) = default;
};

}  // namespace sluice::wire
