// Reading the structures of an HDF5 file: places within its bytes, and how much has been read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::formats {

// What an address is where there is nothing.
inline constexpr uint64_t kHdf5Undefined = ~uint64_t{0};

// Throws RuntimeError: the file is damaged at this byte, where `what` should be.
[[noreturn]] void throw_hdf5_damage(uint64_t at, std::string_view what);

// A file's bytes, and a bound on what is read of them: in a file as HDF5 writes it each structure
// is read a few times at most, in one whose structures point to one another again and again without
// end.
class Hdf5Bytes {
 public:
  explicit Hdf5Bytes(std::span<const char> file) : file_(file), left_(64 * file.size() + 65536) {}

  // These bytes, which `what` names in the message of the RuntimeError when they are not all within
  // the file.
  std::span<const char> at(uint64_t address, uint64_t size, std::string_view what);
  // Counts bytes that are read again, where who wrote the file decides how often.
  void count(uint64_t size) { (void)at(0, std::min<uint64_t>(size, file_.size()), "bytes"); }
  size_t size() const { return file_.size(); }

 private:
  std::span<const char> file_;
  uint64_t left_;
};

// Numbers behind one another, little-endian, as HDF5 writes all of its own. Throws RuntimeError
// where there are not enough bytes.
class Hdf5Cursor {
 public:
  Hdf5Cursor(std::span<const char> bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  uint64_t number(size_t size);  // of 1 to 8 bytes
  uint8_t byte() { return static_cast<uint8_t>(number(1)); }
  uint16_t word() { return static_cast<uint16_t>(number(2)); }
  uint32_t dword() { return static_cast<uint32_t>(number(4)); }
  uint64_t address() { return number(8); }
  std::span<const char> take(uint64_t size);
  std::string_view text(uint64_t size);  // up to its first zero
  void skip(uint64_t size) { (void)take(size); }
  std::span<const char> rest() const { return bytes_.subspan(at_); }
  size_t left() const { return bytes_.size() - at_; }
  // Where the next number lies, from where this began.
  size_t position() const { return at_; }

  [[noreturn]] void fail() const;

 private:
  std::span<const char> bytes_;
  std::string_view what_;
  size_t at_ = 0;
};

}  // namespace sluice::formats
