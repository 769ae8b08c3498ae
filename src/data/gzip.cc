#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <vector>

namespace sluice::data {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr size_t kPrefix = 16;

// A z_stream that is always ended.
class Inflater {
 public:
  Inflater() { ok_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }  // 15 bits of window, gzip only
  ~Inflater() {
    if (ok_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool ok() const { return ok_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

Status damaged(const std::string& path, int code, const char* detail) {
  if (code == Z_MEM_ERROR) {
    return {StatusCode::kResourceExhausted, path + ": no memory to decompress it"};
  }
  std::string how = "damage";
  if (code == Z_BUF_ERROR) {  // it wants more than there is
    how = "one that is cut short";
  } else if (detail != nullptr) {
    how = "damage (" + std::string(detail) + ")";
  }
  return data_loss(path + ": expected a whole gzip file, found " + how + ": get the file again");
}

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

Status gunzip(const std::string& path, std::span<const std::byte> compressed,
              const std::function<Status(std::span<const std::byte>)>& sink) {
  Inflater inflater;
  if (!inflater.ok()) {
    return {StatusCode::kResourceExhausted, path + ": no memory to decompress it"};
  }
  z_stream& z = inflater.stream();
  std::vector<std::byte> piece(kPiece);
  z.avail_out = 0;
  for (;;) {
    if (z.avail_in == 0) {  // zlib counts in 32 bits
      const size_t n = std::min<size_t>(compressed.size(), 1u << 30);
      z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(compressed.data()));
      z.avail_in = static_cast<uInt>(n);
      compressed = compressed.subspan(n);
    }
    if (z.avail_out == 0) {
      z.next_out = reinterpret_cast<Bytef*>(piece.data());
      z.avail_out = static_cast<uInt>(piece.size());
    }
    const int code = inflate(&z, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) return damaged(path, code, z.msg);
    const bool more = z.avail_in > 0 || !compressed.empty();
    const bool end = code == Z_STREAM_END && !more;
    if (z.avail_out == 0 || end) {
      const size_t made = piece.size() - z.avail_out;
      if (made > 0) SLUICE_RETURN_IF_ERROR(sink(std::span(piece).first(made)));
      if (end) return ok_status();
    }
    if (code == Z_STREAM_END && inflateReset(&z) != Z_OK) {
      return internal_error(path + ": cannot reset zlib");
    }
  }
}

Result<std::shared_ptr<const core::MappedFile>> open_maybe_gzip(const std::string& path,
                                                                const WholeSize& whole_size) {
  SLUICE_ASSIGN_OR_RETURN(auto file, core::MappedFile::open(path));
  if (!is_gzip(file->bytes())) return file;
  SLUICE_ASSIGN_OR_RETURN(core::TempFile temp, core::TempFile::create());
  uint64_t most = 0;
  SLUICE_RETURN_IF_ERROR(gunzip(path, file->bytes(), [&](std::span<const std::byte> piece) {
    if (temp.size() == 0) {
      SLUICE_ASSIGN_OR_RETURN(most, whole_size(piece.first(std::min(piece.size(), kPrefix))));
    }
    if (static_cast<uint64_t>(temp.size()) + piece.size() > most) {
      return data_loss(path + ": expected " + std::to_string(most) +
                       " bytes when decompressed, found more: get the file again");
    }
    return temp.write(piece);
  }));
  return temp.map();
}

}  // namespace sluice::data
