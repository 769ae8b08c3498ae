#include "data/gzip.h"

#include <fmt/core.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

namespace sluice::data {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr size_t kPrefix = 16;

Status damaged(const std::string& path, int code, const char* detail) {
  if (code == Z_MEM_ERROR) {
    return {StatusCode::kResourceExhausted, fmt::format("{}: no memory to decompress it", path)};
  }
  std::string how = "damage";
  if (code == Z_BUF_ERROR) {  // it wants more than there is
    how = "one that is cut short";
  } else if (detail != nullptr) {
    how = fmt::format("damage ({})", detail);
  }
  return data_loss(
      fmt::format("{}: expected a whole gzip file, found {}: get the file again", path, how));
}

// Decompresses what comes piece by piece.
class Gunzip {
 public:
  Gunzip(const std::string& path, const ByteSink& sink) : path_(path), sink_(sink), made_(kPiece) {
    ready_ = inflateInit2(&z_, 15 + 16) == Z_OK;  // 15 bits of window, gzip only
    empty_output();
  }
  ~Gunzip() {
    if (ready_) inflateEnd(&z_);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  Status feed(std::span<const std::byte> bytes) {
    if (!ready_) return damaged(path_, Z_MEM_ERROR, nullptr);
    while (!bytes.empty()) {  // zlib counts in 32 bits
      const auto part = bytes.first(std::min<size_t>(bytes.size(), 1u << 30));
      z_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(part.data()));
      z_.avail_in = static_cast<uInt>(part.size());
      SLUICE_RETURN_IF_ERROR(inflate_input());
      bytes = bytes.subspan(part.size());
    }
    return ok_status();
  }

  Status finish() {
    if (!ended_) return damaged(path_, Z_BUF_ERROR, nullptr);
    return hand_over();
  }

 private:
  Status inflate_input() {
    bool full = false;
    do {
      if (ended_ && z_.avail_in > 0) {  // the next member
        if (inflateReset(&z_) != Z_OK) return internal_error(path_ + ": cannot reset zlib");
        ended_ = false;
      }
      const int code = inflate(&z_, Z_NO_FLUSH);
      ended_ = code == Z_STREAM_END;
      if (!ended_ && code != Z_OK && code != Z_BUF_ERROR) return damaged(path_, code, z_.msg);
      full = z_.avail_out == 0;  // there may be more to come out
      if (full) SLUICE_RETURN_IF_ERROR(hand_over());
    } while (z_.avail_in > 0 || (full && !ended_));
    return ok_status();
  }

  Status hand_over() {
    const size_t made = made_.size() - z_.avail_out;
    empty_output();
    return made == 0 ? ok_status() : sink_(std::span(made_).first(made));
  }

  void empty_output() {
    z_.next_out = reinterpret_cast<Bytef*>(made_.data());
    z_.avail_out = static_cast<uInt>(made_.size());
  }

  const std::string& path_;
  const ByteSink& sink_;
  z_stream z_{};
  bool ready_ = false;
  bool ended_ = false;  // a member has ended, and none begun since
  std::vector<std::byte> made_;
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

Status gunzip(const std::string& path, std::span<const std::byte> compressed,
              const ByteSink& sink) {
  Gunzip gunzip(path, sink);
  SLUICE_RETURN_IF_ERROR(gunzip.feed(compressed));
  return gunzip.finish();
}

Status read_maybe_gzip(const core::InputFile& file, const ByteSink& sink) {
  std::array<std::byte, 2> first{};
  const auto begin = std::span(first).first(std::min<uint64_t>(first.size(), file.size()));
  SLUICE_RETURN_IF_ERROR(file.read(0, begin));
  if (!is_gzip(begin)) return file.read_all(sink);
  Gunzip gunzip(file.path(), sink);
  SLUICE_RETURN_IF_ERROR(
      file.read_all([&](std::span<const std::byte> piece) { return gunzip.feed(piece); }));
  return gunzip.finish();
}

Status PlainFile::read(uint64_t offset, std::span<std::byte> into) const {
  if (!unpacked) return file->read(offset, into);
  const auto bytes = unpacked->bytes();
  if (offset > bytes.size() || into.size() > bytes.size() - offset) {
    return data_loss(file->path() + ": ends early: get the file again");
  }
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
  return ok_status();
}

Status more_than(uint64_t bytes, const std::string& path) {
  return data_loss(fmt::format(
      "{}: expected {} bytes when decompressed, found more: get the file again", path, bytes));
}

Result<PlainFile> open_maybe_gzip(const std::string& path, const WholeSize& whole_size) {
  PlainFile plain;
  SLUICE_ASSIGN_OR_RETURN(plain.file, core::InputFile::open(path));
  std::array<std::byte, 2> first{};
  const auto begin = std::span(first).first(std::min<uint64_t>(first.size(), plain.file->size()));
  SLUICE_RETURN_IF_ERROR(plain.file->read(0, begin));
  if (!is_gzip(begin)) return plain;
  SLUICE_ASSIGN_OR_RETURN(core::TempFile temp, core::TempFile::create());
  uint64_t most = 0;
  SLUICE_RETURN_IF_ERROR(
      read_maybe_gzip(*plain.file, [&](std::span<const std::byte> piece) -> Status {
        if (temp.size() == 0) {
          SLUICE_ASSIGN_OR_RETURN(most, whole_size(piece.first(std::min(piece.size(), kPrefix))));
        }
        if (static_cast<uint64_t>(temp.size()) + piece.size() > most) {
          return more_than(most, path);
        }
        return temp.write(piece);
      }));
  SLUICE_ASSIGN_OR_RETURN(plain.unpacked, temp.map());
  return plain;
}

}  // namespace sluice::data
