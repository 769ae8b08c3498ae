// Datasets in chunks: a tree of pieces of the array, each packed by itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/hdf5_bytes.h"
#include "formats/hdf5_types.h"

namespace sluice::formats {

struct Hdf5Chunking {
  uint64_t tree = 0;              // address of the index
  std::vector<uint64_t> sizes;    // of a chunk, one for each axis
  std::vector<uint64_t> filters;  // in the order in which they were applied

  static constexpr uint64_t kDeflate = 1, kShuffle = 2;
};

// The filters of a "filter pipeline" message. Throws RuntimeError for any that is not known.
std::vector<uint64_t> read_hdf5_filters(std::span<const char> message);

// As read_hdf5_array().
void read_hdf5_chunks(Hdf5Bytes& file, const Hdf5Chunking& chunking, const Hdf5Type& type,
                      const Hdf5Space& space, std::span<float> to);

}  // namespace sluice::formats
