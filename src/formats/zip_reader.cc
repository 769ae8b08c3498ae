#include "formats/zip_reader.h"

#include <fmt/core.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "core/byte_order.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                   kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr size_t kLocalSize = 30, kCentralSize = 46, kEndSize = 22, kEnd64Size = 56,
                 kLocatorSize = 20;
constexpr uint32_t kIn64 = 0xffffffff;  // the number is in zip64's own field

[[noreturn]] void fail(const std::string& what) {
  throw RuntimeError("is damaged or cut short: " + what);
}

std::span<const char> part(std::span<const char> bytes, uint64_t at, uint64_t size,
                           const char* what) {
  if (at > bytes.size() || size > bytes.size() - at) fail(fmt::format("its {} is not there", what));
  return bytes.subspan(at, size);
}

template <typename Number>
Number number(std::span<const char> bytes, size_t at) {
  Number value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Directory {
  uint64_t count, size, at;
};

// Behind all members, and in front of a comment of at most 65535 bytes.
size_t find_end(std::span<const char> file) {
  if (file.size() < kEndSize) fail("it has no end");
  const size_t last = file.size() - kEndSize;
  for (size_t back = 0; back <= std::min<size_t>(last, 0xffff); ++back) {
    const size_t at = last - back;
    if (number<uint32_t>(file, at) == kEnd && number<uint16_t>(file, at + 20) == back) return at;
  }
  fail("it has no end");
}

Directory find_directory(std::span<const char> file) {
  const size_t end = find_end(file);
  const auto record = file.subspan(end);
  if (number<uint16_t>(record, 4) != 0 && number<uint16_t>(record, 4) != 0xffff) {
    throw RuntimeError("is one part of a zip archive in several");
  }
  const Directory directory{number<uint16_t>(record, 10), number<uint32_t>(record, 12),
                            number<uint32_t>(record, 16)};
  if (end < kLocatorSize || number<uint32_t>(file, end - kLocatorSize) != kLocator64) {
    return directory;
  }
  const auto at = number<uint64_t>(file, end - kLocatorSize + 8);
  const std::span<const char> end64 = part(file, at, kEnd64Size, "end");
  if (number<uint32_t>(end64, 0) != kEnd64) fail("it has no zip64 end");
  return {number<uint64_t>(end64, 32), number<uint64_t>(end64, 40), number<uint64_t>(end64, 48)};
}

struct Inflater {
  void operator()(libdeflate_decompressor* decompressor) const {
    libdeflate_free_decompressor(decompressor);
  }
};

}  // namespace

bool is_zip(std::string_view file) { return file.starts_with("PK\x03\x04"); }

ZipReader::ZipReader(std::span<const char> file) : file_(file) {
  const Directory directory = find_directory(file);
  read_directory(part(file, directory.at, directory.size, "directory"), directory.count);
  find_bytes(directory.at);
}

void ZipReader::read_directory(std::span<const char> directory, uint64_t count) {
  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const std::span<const char> entry = part(directory, at, kCentralSize, "directory");
    if (number<uint32_t>(entry, 0) != kCentral) fail("its directory is not one");
    const auto name_size = number<uint16_t>(entry, 28), extra_size = number<uint16_t>(entry, 30);
    const std::span<const char> text = part(directory, at + kCentralSize, name_size, "directory");
    std::span<const char> extra =
        part(directory, at + kCentralSize + name_size, extra_size, "directory");
    std::string name(text.begin(), text.end());
    if ((number<uint16_t>(entry, 8) & 1) != 0) {
      throw RuntimeError(fmt::format("has \"{}\" encrypted", name));
    }
    Member member{.header = number<uint32_t>(entry, 42),
                  .packed = number<uint32_t>(entry, 20),
                  .size = number<uint32_t>(entry, 24),
                  .crc = number<uint32_t>(entry, 16),
                  .method = number<uint16_t>(entry, 10)};
    // Fields of an identifier, a size and so many bytes; that of zip64 has what did not fit above.
    while (extra.size() >= 4) {
      const auto id = number<uint16_t>(extra, 0), size = number<uint16_t>(extra, 2);
      std::span<const char> field = part(extra, 4, size, "directory");
      extra = extra.subspan(4 + size);
      if (id != 1) continue;
      for (uint64_t* value : {&member.size, &member.packed, &member.header}) {
        if (*value != kIn64) continue;
        *value = number<uint64_t>(part(field, 0, 8, "directory"), 0);
        field = field.subspan(8);
      }
    }
    at += kCentralSize + name_size + extra_size + number<uint16_t>(entry, 32);
    if (!members_.emplace(name, member).second) {
      throw RuntimeError(fmt::format("is damaged: two members are named \"{}\"", name));
    }
  }
}

// Behind each one's own header, which says how long it is itself.
void ZipReader::find_bytes(uint64_t directory_at) {
  const std::span<const char> members = file_.first(directory_at);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (auto& [name, member] : members_) {
    const std::span<const char> header = part(members, member.header, kLocalSize, "member");
    if (number<uint32_t>(header, 0) != kLocal) fail(fmt::format("\"{}\" is not there", name));
    const auto name_size = number<uint16_t>(header, 26), extra_size = number<uint16_t>(header, 28);
    const std::span<const char> text =
        part(members, member.header + kLocalSize, name_size, "member");
    if (!std::equal(text.begin(), text.end(), name.begin(), name.end())) {
      fail(fmt::format("\"{}\" has two names", name));
    }
    const uint64_t begin = member.header + kLocalSize + name_size + extra_size;
    member.bytes = part(members, begin, member.packed, "member");
    ranges.emplace_back(member.header, begin + member.packed);
  }
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) fail("two members have bytes in common");
  }
}

std::span<const char> ZipReader::read(std::string_view name, std::string& storage,
                                      uint64_t most) const {
  const auto found = members_.find(name);
  if (found == members_.end()) throw RuntimeError(fmt::format("has no \"{}\" in it", name));
  const Member& member = found->second;
  if (member.size > most) {
    throw RuntimeError(
        fmt::format("has {} bytes of \"{}\", at most {} are read", member.size, name, most));
  }
  std::span<const char> content = member.bytes;
  if (member.method == 0) {
    if (member.packed != member.size) fail(fmt::format("\"{}\" has two sizes", name));
  } else if (member.method == 8) {
    constexpr uint64_t kMostGrowth = 100, kAlways = 1 << 20;
    if (member.size > kAlways && member.size / kMostGrowth > member.packed) {
      throw RuntimeError(fmt::format("has \"{}\", whose {} bytes would become {}: a zip bomb", name,
                                     member.packed, member.size));
    }
    const std::unique_ptr<libdeflate_decompressor, Inflater> inflater(
        libdeflate_alloc_decompressor());
    if (inflater == nullptr) throw std::bad_alloc();
    storage.resize(member.size);
    if (libdeflate_deflate_decompress(inflater.get(), content.data(), content.size(),
                                      storage.data(), storage.size(),
                                      nullptr) != LIBDEFLATE_SUCCESS) {
      fail(fmt::format("\"{}\" cannot be unpacked", name));
    }
    content = storage;
  } else {
    throw RuntimeError(
        fmt::format("has \"{}\" packed by method {}; Sluice reads what is stored or deflated", name,
                    member.method));
  }
  if (libdeflate_crc32(0, content.data(), content.size()) != member.crc) {
    fail(fmt::format("the checksum of \"{}\" does not hold", name));
  }
  return content;
}

}  // namespace sluice::formats
