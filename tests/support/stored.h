// Records as they are stored, all of them or some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "data/records.h"

namespace sluice::testing_support {

inline std::vector<std::byte> stored(const data::Records& records) {
  std::vector<uint32_t> all(static_cast<size_t>(records.info().records));
  std::iota(all.begin(), all.end(), 0u);
  std::vector<std::byte> bytes(all.size() * records.info().record_bytes());
  records.gather_stored(all, bytes);
  return bytes;
}

}  // namespace sluice::testing_support
