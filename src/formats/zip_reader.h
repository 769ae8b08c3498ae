// Reading zip archives that are in memory: members that are stored or deflated, zip64 too.
//
// Every function throws RuntimeError, one line, for an archive that is damaged, encrypted or split,
// that has two members of one name or members that share bytes, or one that is packed in another
// way. The archive's bytes must outlive the reader. Source: PKWARE's APPNOTE 6.3.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace sluice::formats {

// Whether a file begins as an archive with something in it.
bool is_zip(std::string_view file);

class ZipReader {
 public:
  explicit ZipReader(std::span<const char> file);

  bool has(std::string_view name) const { return members_.contains(name); }
  // A member's content, its checksum compared: where it is stored, the archive's own bytes;
  // otherwise unpacked into `storage`. Refused is what is larger than `most` bytes, and what was
  // packed to less than a hundredth of itself, as only bombs are.
  std::span<const char> read(std::string_view name, std::string& storage,
                             uint64_t most = UINT64_MAX) const;

 private:
  struct Member {
    uint64_t header = 0;  // where it begins in the archive
    uint64_t packed = 0, size = 0;
    uint32_t crc = 0;
    uint16_t method = 0;
    std::span<const char> bytes{};  // as packed
  };

  void read_directory(std::span<const char> directory, uint64_t count);
  void find_bytes(uint64_t directory_at);

  std::span<const char> file_;
  std::map<std::string, Member, std::less<>> members_;
};

}  // namespace sluice::formats
