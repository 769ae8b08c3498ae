// What an HDF5 file says of an array: the type of its elements and its shape.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sluice::formats {

struct Hdf5Type {
  enum class Kind {
    kInteger,
    kFloat,           // of 2 bytes, IEEE 754's or bfloat16, of 4 or of 8
    kString,          // of `size` bytes, padded with zeros or spaces
    kVariableString,  // a reference into a global heap, of 16 bytes
    kOpaque,          // bytes of which HDF5 knows nothing: h5py's bfloat16
    kOther,
  };
  Kind kind = Kind::kOther;
  uint32_t size = 0;  // bytes of an element
  bool is_signed = false;
  bool is_big_endian = false;
  bool is_bfloat16 = false;
  std::string name{};  // of kOther, for messages
};

// From a "datatype" message. Throws RuntimeError.
Hdf5Type read_hdf5_type(std::span<const char> message);

struct Hdf5Space {
  bool is_empty = false;       // HDF5's null space: no element
  std::vector<int64_t> sizes;  // none: a single element

  // How many elements. Throws RuntimeError where they are too many to be counted.
  uint64_t count() const;
};

// From a "dataspace" message. Throws RuntimeError.
Hdf5Space read_hdf5_space(std::span<const char> message);

// "float32", "5-byte integers": for messages.
std::string text_of(const Hdf5Type& type);

// Whether convert_hdf5() can.
bool is_number(const Hdf5Type& type);
// The elements as float32. `from` has as many as `to`, of a type that is_number().
void convert_hdf5(const Hdf5Type& type, std::span<const char> from, std::span<float> to);

}  // namespace sluice::formats
