#include "wire/shard_map.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/check.h"

namespace sluice::wire {
namespace {
constexpr size_t kCacheLineFloats = 16;
// A message's length is 32 bits, and its header needs some of them.
constexpr size_t kLargestShard = (size_t{1} << 30) - (size_t{1} << 18);
}  // namespace

ShardMap ShardMap::even(size_t parameters, int shards, int servers) {
  if (servers < 1) throw std::invalid_argument("a job needs at least one parameter server");
  if (shards < 0) throw std::invalid_argument("the number of shards cannot be negative");
  if (parameters > kMostParameters || servers > kMostShards) {
    throw std::invalid_argument(
        fmt::format("{} parameters on {} servers are too many", parameters, servers));
  }
  // In whole cache lines, so that no two shards share one; the last shard takes what is left over.
  const size_t lines = (parameters + kCacheLineFloats - 1) / kCacheLineFloats;
  if (shards == 0) {
    const size_t least = (parameters + kDefaultShardSize - 1) / kDefaultShardSize;
    const size_t n = static_cast<size_t>(servers);
    shards = static_cast<int>(std::max<size_t>((least + n - 1) / n, 1)) * servers;
  }
  if (shards < servers) {
    throw std::invalid_argument(fmt::format(
        "{} shards cannot be spread over {} servers: ask for at least one each", shards, servers));
  }
  if (shards > kMostShards) {
    throw std::invalid_argument(
        fmt::format("{} shards are too many: ask for at most {}", shards, kMostShards));
  }
  if (static_cast<size_t>(shards) > lines) {
    throw std::invalid_argument(fmt::format(
        "{} parameters cannot be cut into {} shards of at least 16", parameters, shards));
  }
  std::vector<Shard> result;
  const size_t n = static_cast<size_t>(shards);
  for (size_t i = 0; i < n; ++i) {
    const size_t begin = lines * i / n * kCacheLineFloats;
    const size_t end = std::min(lines * (i + 1) / n * kCacheLineFloats, parameters);
    const int server = static_cast<int>(i * static_cast<size_t>(servers) / n);
    result.push_back({static_cast<int>(i), begin, end - begin, server});
  }
  return ShardMap(std::move(result));
}

ShardMap ShardMap::in_parts(size_t parameters, int64_t parts, int shards, int servers) {
  if (parts < 1 || parts > kMostShards || servers < 1 || servers > kMostShards) {
    throw std::invalid_argument(
        fmt::format("{} parts of the parameters on {} servers make no sense", parts, servers));
  }
  const auto n = static_cast<int>(parts);
  const size_t size = parameters / static_cast<size_t>(n);
  if (size * static_cast<size_t>(n) != parameters) {
    throw std::invalid_argument(fmt::format("{} parameters are not {} equal parts", parameters, n));
  }
  if (shards < 0 || shards % n != 0) {
    throw std::invalid_argument(fmt::format(
        "expected a multiple of {}, the number of models that the job trains, got {}", n, shards));
  }
  int each = shards / n;
  if (shards == 0) {
    const size_t least = std::max<size_t>((size + kDefaultShardSize - 1) / kDefaultShardSize, 1);
    each = std::max(static_cast<int>(std::min<size_t>(least, kMostShards)), (servers + n - 1) / n);
  }
  const int64_t all = int64_t{each} * n;
  if (all < servers || all > kMostShards) {
    throw std::invalid_argument(
        fmt::format("{} shards for each of {} parts do not fit {} servers: expected at least one "
                    "for each server and at most {} in all",
                    each, parts, servers, kMostShards));
  }
  const ShardMap one = even(size, each, 1);
  std::vector<Shard> result;
  for (int64_t i = 0; i < all; ++i) {
    const Shard& shard = one[static_cast<int>(i % each)];
    result.push_back({static_cast<int>(i), static_cast<size_t>(i / each) * size + shard.offset,
                      shard.size, static_cast<int>(i * servers / all)});
  }
  return ShardMap(std::move(result));
}

ShardMap::Part ShardMap::part(int64_t index, int64_t parts) const {
  const auto each = static_cast<int>(size() / parts);
  const size_t floats = parameters() / static_cast<size_t>(parts);
  return {static_cast<int>(index) * each, each, static_cast<size_t>(index) * floats, floats};
}

ShardMap::Part ShardMap::covering(size_t offset, size_t size) const {
  const auto first = std::ranges::upper_bound(shards_, offset, {}, &Shard::offset) - 1;
  const auto end = std::ranges::lower_bound(shards_, offset + size, {}, &Shard::offset);
  Part part{first->index, static_cast<int>(end - first), first->offset, 0};
  part.size = floats_of({part.first, part.shards});
  return part;
}

ShardMap::Part ShardMap::part_at(size_t offset, size_t size) const {
  const Part part = covering(offset, size);
  SLUICE_CHECK(part.offset == offset && part.size == size) << offset << ", " << size;
  return part;
}

Status ShardMap::validate_parts(int64_t parts) const {
  const auto fails = [&] {
    return invalid_argument(
        fmt::format("the shard map's {} shards are not of {} equal parts", size(), parts));
  };
  if (parts < 1 || parts > size() || size() % parts != 0) return fails();
  if (parameters() % static_cast<size_t>(parts) != 0) return fails();
  for (int64_t p = 0; p < parts; ++p) {
    const Part its = part(p, parts);
    if ((*this)[its.first].offset != its.offset) return fails();
  }
  return ok_status();
}

Status ShardMap::validate() const {
  if (shards_.empty()) return invalid_argument("the shard map is empty");
  if (shards_.size() > static_cast<size_t>(kMostShards)) {
    return invalid_argument(
        fmt::format("the shard map has {} entries; it may have {}", shards_.size(), kMostShards));
  }
  size_t offset = 0;
  for (size_t i = 0; i < shards_.size(); ++i) {
    const Shard& shard = shards_[i];
    const std::string who = fmt::format("shard map: entry {}", i);
    if (shard.index != static_cast<int>(i)) {
      return invalid_argument(fmt::format("{} is numbered {}", who, shard.index));
    }
    if (shard.offset != offset) {
      return invalid_argument(
          fmt::format("{} starts at {}, the one before it ends at {}", who, shard.offset, offset));
    }
    if (shard.size == 0 || shard.size > kLargestShard) {
      return invalid_argument(
          fmt::format("{} has {} floats; a shard has 1 to {}", who, shard.size, kLargestShard));
    }
    // No server is without a shard, so there are not more servers than shards.
    if (shard.server < 0 || shard.server >= size()) {
      return invalid_argument(
          fmt::format("{} belongs to server {} of {} at most", who, shard.server, size()));
    }
    offset += shard.size;  // at most 2^46: see the bounds above
    if (offset > kMostParameters) {
      return invalid_argument(
          fmt::format("{} ends at {}; a map covers at most {}", who, offset, kMostParameters));
    }
  }
  return ok_status();
}

int ShardMap::servers() const {
  int n = 0;
  for (const Shard& shard : shards_) n = std::max(n, shard.server + 1);
  return n;
}

size_t ShardMap::parameters() const {
  return shards_.empty() ? 0 : shards_.back().offset + shards_.back().size;
}

size_t ShardMap::floats_of(ShardRange range) const {
  if (range.count == 0) return 0;
  const Shard& last = (*this)[range.end() - 1];
  return last.offset + last.size - (*this)[range.first].offset;
}

size_t ShardMap::floats_on(int server) const {
  size_t floats = 0;
  for (const Shard& shard : shards_) floats += shard.server == server ? shard.size : 0;
  return floats;
}

std::vector<ShardMap::Message> ShardMap::messages(const Part& part,
                                                  const std::vector<char>& together) const {
  std::vector<Message> result;
  for (int index = part.first; index < part.first + part.shards; ++index) {
    const int server = (*this)[index].server;
    if (!result.empty() && result.back().server == server &&
        together[static_cast<size_t>(server)] != 0) {
      const ShardRange longer{result.back().shards.first, result.back().shards.count + 1};
      if (floats_of(longer) <= kMostTogether) {
        result.back().shards = longer;
        continue;
      }
    }
    result.push_back({server, {index, 1}});
  }
  return result;
}

size_t ShardMap::largest_message() const {
  size_t most = 0;
  const std::vector<char> all(static_cast<size_t>(servers()), 1);
  for (const Message& message : messages(whole(), all)) {
    most = std::max(most, floats_of(message.shards));
  }
  return most;
}

std::vector<int> ShardMap::owned_by(int server) const {
  std::vector<int> owned;
  for (const Shard& shard : shards_) {
    if (shard.server == server) owned.push_back(shard.index);
  }
  return owned;
}

}  // namespace sluice::wire
