// Blocks of a shard, cut where what is trained begins and ends. Internal.
#pragma once

#include <algorithm>
#include <vector>

#include "algorithm/update_rule.h"

namespace sluice::algorithm {

// Calls trained(at, n) and untrained(at, n), in order, for the pieces of the `size` floats from
// `begin` on: `at` counts from `begin`, n is not 0. `ranges`, in order and apart, and `begin` count
// from the parameters' start.
template <typename Trained, typename Untrained>
void for_each_piece(const std::vector<UntrainedRange>& ranges, size_t begin, size_t size,
                    Trained trained, Untrained untrained) {
  const size_t end = begin + size;
  auto range = std::partition_point(ranges.begin(), ranges.end(), [begin](const UntrainedRange& r) {
    return r.offset + r.size <= begin;
  });
  size_t done = begin;
  for (; range != ranges.end() && range->offset < end; ++range) {
    const size_t from = std::max(range->offset, begin);
    const size_t to = std::min(range->offset + range->size, end);
    if (done < from) trained(done - begin, from - done);
    if (from < to) untrained(from - begin, to - from);
    done = to;
  }
  if (done < end) trained(done - begin, end - done);
}

}  // namespace sluice::algorithm
