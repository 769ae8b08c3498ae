// Reading HDF5 files that are in memory: what Keras, h5py and libhdf5 write unless they are told
// otherwise, and files that anybody has made of those.
//
// libhdf5 itself is not used: its releases of 2022 end the process by SIGSEGV, or never come back,
// for many a file with some bytes changed. Read are superblocks 0 to 3, object headers 1 and 2,
// groups with a symbol table or with links in their header, attributes 1 to 3, numbers and strings,
// compact, contiguous and chunked datasets (by B-trees of version 1, with gzip and shuffle). Soft,
// external and dense links, and data in other files, are refused.
//
// Every function throws RuntimeError, one line, for a file that is damaged, and does work and takes
// memory in proportion to the file's size. The file's bytes must outlive the reader.
// Source: HDF5 File Format Specification, version 3.0.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hdf5_bytes.h"
#include "formats/hdf5_data.h"
#include "formats/hdf5_types.h"

namespace sluice::formats {

// Whether a file begins as an HDF5 file.
bool is_hdf5(std::string_view file);

struct Hdf5Attribute {
  Hdf5Type type{};
  Hdf5Space space{};
  std::span<const char> data{};
};

// A group, which has members, or a dataset, which has an array.
struct Hdf5Object {
  std::map<std::string, uint64_t, std::less<>> members;
  std::map<std::string, Hdf5Attribute, std::less<>> attributes;
  std::optional<Hdf5Array> array;
};

class Hdf5Reader {
 public:
  explicit Hdf5Reader(std::span<const char> file);

  // Valid as long as the reader, as are all objects.
  const Hdf5Object& root() { return open(root_); }
  // A member, by its address.
  const Hdf5Object& open(uint64_t address);
  // By names with '/' in between, from `from` on; null where there is none.
  const Hdf5Object* find(const Hdf5Object& from, std::string_view path);

  // An attribute's text or texts; none for an empty list of whatever type, as h5py writes it.
  std::vector<std::string> texts(const Hdf5Attribute& attribute);
  // Of one that is there and has one text; none otherwise.
  std::optional<std::string> text(const Hdf5Object& object, std::string_view attribute);

  // As read_hdf5_array() and read_hdf5_integer().
  void read(const Hdf5Array& array, std::span<float> to) { read_hdf5_array(bytes_, array, to); }
  int64_t read_integer(const Hdf5Array& array) { return read_hdf5_integer(bytes_, array); }

 private:
  using Heap = std::map<uint32_t, std::span<const char>>;

  const Heap& heap(uint64_t address);

  Hdf5Bytes bytes_;
  uint64_t root_ = 0;
  std::map<uint64_t, Hdf5Object> objects_;  // those that were opened
  std::map<uint64_t, Heap> heaps_;          // those that were looked into
};

}  // namespace sluice::formats
