#include "formats/hdf5_bytes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "core/byte_order.h"
#include "sluice/errors.h"

namespace sluice::formats {

void throw_hdf5_damage(uint64_t at, std::string_view what) {
  throw RuntimeError(fmt::format("is damaged or cut short: at byte {} it has no {}", at, what));
}

std::span<const char> Hdf5Bytes::at(uint64_t address, uint64_t size, std::string_view what) {
  if (address > file_.size() || size > file_.size() - address) throw_hdf5_damage(address, what);
  if (size + 1 > left_) {
    throw RuntimeError(
        "is damaged: its structures point to one another so that they would be read without end");
  }
  left_ -= size + 1;
  return file_.subspan(address, size);
}

void Hdf5Cursor::fail() const {
  throw RuntimeError(fmt::format("is damaged: its {} is not as HDF5 writes it", what_));
}

std::span<const char> Hdf5Cursor::take(uint64_t size) {
  if (size > left()) fail();
  const std::span<const char> taken = bytes_.subspan(at_, size);
  at_ += size;
  return taken;
}

uint64_t Hdf5Cursor::number(size_t size) {
  uint64_t value = 0;
  std::memcpy(&value, take(size).data(), size);
  return value;
}

std::string_view Hdf5Cursor::text(uint64_t size) {
  const std::span<const char> bytes = take(size);
  return {bytes.begin(), std::find(bytes.begin(), bytes.end(), '\0')};
}

}  // namespace sluice::formats
