#include "formats/zip_writer.h"

#include <libdeflate.h>

#include <algorithm>
#include <concepts>
#include <utility>

#include "core/byte_order.h"

namespace sluice::formats {
namespace {

constexpr uint64_t kMost = 0xffffffff;              // of what is written in 4 bytes
constexpr uint16_t kVersion = 20, kVersion64 = 45;  // of the format, that a reader must know
constexpr uint32_t kFirstDay = 0x00210000;          // 1980-01-01, 00:00: equal models, equal files

template <std::unsigned_integral... Numbers>
void append(std::string& to, Numbers... numbers) {
  (to.append(reinterpret_cast<const char*>(&numbers), sizeof numbers), ...);
}

uint32_t in_four(uint64_t value) { return static_cast<uint32_t>(std::min(value, kMost)); }

}  // namespace

void ZipWriter::add(std::string_view name, std::string_view content) {
  const uint64_t offset = archive_.size(), size = content.size();
  const uint32_t crc = libdeflate_crc32(0, content.data(), content.size());
  const auto name_size = static_cast<uint16_t>(name.size());
  const auto none = uint16_t{0};
  const bool is_large = size >= kMost, is_far = offset >= kMost;
  const uint16_t version = is_large || is_far ? kVersion64 : kVersion;

  std::string extra;
  if (is_large) append(extra, uint16_t{1}, uint16_t{16}, size, size);
  append(archive_, uint32_t{0x04034b50}, version, none, none, kFirstDay, crc,
         is_large ? uint32_t{kMost} : in_four(size), is_large ? uint32_t{kMost} : in_four(size),
         name_size, static_cast<uint16_t>(extra.size()));
  archive_.append(name).append(extra).append(content);

  extra.clear();
  if (is_large || is_far) {
    append(extra, uint16_t{1}, static_cast<uint16_t>((is_large ? 16 : 0) + (is_far ? 8 : 0)));
    if (is_large) append(extra, size, size);
    if (is_far) append(extra, offset);
  }
  append(directory_, uint32_t{0x02014b50}, version, version, none, none, kFirstDay, crc,
         in_four(size), in_four(size), name_size, static_cast<uint16_t>(extra.size()), none, none,
         none, uint32_t{0}, in_four(offset));
  directory_.append(name).append(extra);
  ++count_;
}

std::string ZipWriter::finish() && {
  const uint64_t at = archive_.size(), size = directory_.size();
  archive_ += directory_;
  const bool is_large = at >= kMost || count_ >= 0xffff;
  const auto none = uint16_t{0};
  if (is_large) {
    const uint64_t end = archive_.size();
    append(archive_, uint32_t{0x06064b50}, uint64_t{44}, kVersion64, kVersion64, uint32_t{0},
           uint32_t{0}, count_, count_, size, at);
    append(archive_, uint32_t{0x07064b50}, uint32_t{0}, end, uint32_t{1});
  }
  const auto count = static_cast<uint16_t>(std::min<uint64_t>(count_, 0xffff));
  append(archive_, uint32_t{0x06054b50}, none, none, count, count, in_four(size), in_four(at),
         none);
  return std::move(archive_);
}

}  // namespace sluice::formats
