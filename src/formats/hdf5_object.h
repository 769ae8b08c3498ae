// The header of an object of an HDF5 file, a group or a dataset: a list of messages, of both
// versions that there are.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/hdf5_bytes.h"

namespace sluice::formats {

enum class Hdf5MessageType : uint16_t {
  kDataspace = 0x01,
  kLinkInfo = 0x02,
  kDatatype = 0x03,
  kLink = 0x06,
  kExternalFiles = 0x07,
  kLayout = 0x08,
  kFilters = 0x0b,
  kAttribute = 0x0c,
  kContinuation = 0x10,
  kSymbolTable = 0x11,
  kAttributeInfo = 0x15,
};

struct Hdf5Message {
  Hdf5MessageType type{};
  bool is_shared = false;  // the message itself lies elsewhere
  std::span<const char> data;
};

// All messages of the header at `address`. Throws RuntimeError for one that is damaged.
std::vector<Hdf5Message> read_hdf5_messages(Hdf5Bytes& file, uint64_t address);

// The one of this type, or null. Throws RuntimeError for one that is shared.
const Hdf5Message* find_message(const std::vector<Hdf5Message>& messages, Hdf5MessageType type);

// The addresses of what a group has, by name. Throws RuntimeError for links that lead elsewhere
// than to an object of this file, and for groups in a form that Sluice does not read.
std::map<std::string, uint64_t, std::less<>> read_hdf5_group(
    Hdf5Bytes& file, const std::vector<Hdf5Message>& messages);

}  // namespace sluice::formats
