// Lists of pieces of the parameters, and blocks that are cut where they begin and end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "sluice/parameter_range.h"

namespace sluice::optim {

// With the floats [offset, offset + size) behind, joined to the last where they touch. They come in
// order.
inline void add_range(std::vector<ParameterRange>& ranges, size_t offset, size_t size) {
  const bool joins = !ranges.empty() && ranges.back().offset + ranges.back().size == offset;
  if (!joins) ranges.push_back({offset, 0});
  ranges.back().size += size;
}

// Calls outside(at, n) and inside(at, n), in order, for the pieces of the `size` floats from
// `begin` on that lie outside and inside of the ranges: `at` counts from `begin`, n is not 0.
// `ranges` are in order and apart.
template <typename Outside, typename Inside>
void for_each_piece(const std::vector<ParameterRange>& ranges, size_t begin, size_t size,
                    Outside outside, Inside inside) {
  const size_t end = begin + size;
  auto range = std::partition_point(ranges.begin(), ranges.end(), [begin](const ParameterRange& r) {
    return r.offset + r.size <= begin;
  });
  size_t done = begin;
  for (; range != ranges.end() && range->offset < end; ++range) {
    const size_t from = std::max(range->offset, begin);
    const size_t to = std::min(range->offset + range->size, end);
    if (done < from) outside(done - begin, from - done);
    if (from < to) inside(from - begin, to - from);
    done = to;
  }
  if (done < end) outside(done - begin, end - done);
}

}  // namespace sluice::optim
