// The elements of a dataset of an HDF5 file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/hdf5_bytes.h"
#include "formats/hdf5_object.h"
#include "formats/hdf5_types.h"

namespace sluice::formats {

struct Hdf5Array {
  Hdf5Type type{};
  Hdf5Space space{};
  std::span<const char> layout{};   // the messages that say where the elements lie
  std::span<const char> filters{};  // and what was done to them; empty: nothing
};

// From a dataset's messages; none where it is none. Throws RuntimeError.
std::optional<Hdf5Array> find_hdf5_array(const std::vector<Hdf5Message>& messages);

// All elements, row-major, into `to`, of which there must be room for exactly as many. Throws
// RuntimeError for elements that are no numbers, lie in other files, or are packed by a filter that
// is neither gzip nor shuffle, and for what is damaged.
void read_hdf5_array(Hdf5Bytes& file, const Hdf5Array& array, std::span<float> to);

// A single whole number. Throws RuntimeError for anything else.
int64_t read_hdf5_integer(Hdf5Bytes& file, const Hdf5Array& array);

}  // namespace sluice::formats
