#include "data/file_kind.h"

#include <algorithm>
#include <array>

namespace sluice::data {
namespace {

using namespace std::string_view_literals;

struct Kind {
  size_t at;
  std::string_view magic;
  std::string_view words;
  bool is_text = false;  // what follows may be text
};

// The first that fits. Of https://en.wikipedia.org/wiki/List_of_file_signatures.
constexpr std::array kKinds = {
    Kind{8, "WEBP"sv, "a WebP picture: save it as PNG or JPEG"},
    Kind{0, "BM"sv, "a BMP picture: save it as PNG or JPEG"},
    Kind{0, "GIF87a"sv, "a GIF picture: save it as PNG or JPEG", true},
    Kind{0, "GIF89a"sv, "a GIF picture: save it as PNG or JPEG", true},
    Kind{0, "II*\0"sv, "a TIFF picture: save it as PNG or JPEG"},
    Kind{0, "MM\0*"sv, "a TIFF picture: save it as PNG or JPEG"},
    Kind{4, "ftypavif"sv, "an AVIF picture: save it as PNG or JPEG"},
    Kind{4, "ftypheic"sv, "a HEIC picture: save it as PNG or JPEG"},
    Kind{4, "ftypmif1"sv, "a HEIF picture: save it as PNG or JPEG"},
    Kind{4, "ftyp"sv, "a film (MP4)"},
    Kind{0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 picture: save it as PNG or JPEG"},
    Kind{0, "\0\0\x01\0"sv, "an icon (ICO): save it as PNG or JPEG"},
    Kind{0, "%PDF-"sv, "a PDF", true},
    Kind{0, "<svg"sv, "an SVG drawing: save it as PNG", true},
    Kind{0, "<?xml"sv, "XML", true},
    Kind{0, "<!DOCTYPE"sv, "a page of HTML", true},
    Kind{0, "<html"sv, "a page of HTML", true},
    Kind{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (.h5): a model's or arrays'; save arrays as .npy"},
    Kind{0, "PAR1"sv, "a Parquet file: save it as CSV"},
    Kind{0, "ARROW1"sv, "an Arrow file: save it as CSV"},
    Kind{0, "SQLite format 3\0"sv, "an SQLite database: save a table as CSV"},
    Kind{0, "\x1f\x8b"sv, "gzip"},
    Kind{0, "BZh"sv, "bzip2: unpack it"},
    Kind{0,
         "\xfd"
         "7zXZ\0"sv,
         "xz: unpack it"},
    Kind{0, "\x28\xb5\x2f\xfd"sv, "Zstandard: unpack it"},
    Kind{0, "\xff\xfe"sv, "text in UTF-16: save it as UTF-8"},
    Kind{0, "\xfe\xff"sv, "text in UTF-16: save it as UTF-8"},
    Kind{0, "\x93NUMPY"sv, "a .npy array"},
    Kind{0, "\xff\xd8\xff"sv, "a JPEG picture"},
    Kind{0, "\x89PNG\r\n\x1a\n"sv, "a PNG picture"},
    Kind{0, "\0\0\x08\x03"sv, "IDX images"},
    Kind{0, "\0\0\x08\x01"sv, "IDX labels"},
};

// By the name of its first member, which begins there.
std::string_view zip_kind(std::string_view begin) {
  constexpr size_t kName = 30;
  const std::string_view name = begin.substr(std::min(kName, begin.size()));
  if (name.find(".npy") != name.npos) {
    return "a .npz archive of numpy's: unpack it, and give the .npy that is meant";
  }
  if (name.starts_with("metadata.json") || name.starts_with("config.json")) {
    return "a .keras model: the model comes first, then what it is used on";
  }
  if (name.starts_with("[Content_Types]") || name.starts_with("_rels")) {
    return "a file of an office program: save its table as CSV";
  }
  return "a zip archive: unpack it";
}

}  // namespace

bool may_be_text(std::string_view begin) {
  return std::ranges::all_of(begin, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' ? byte != 0x7f : (byte >= '\t' && byte <= '\r') || byte == 0x1b;
  });
}

std::string file_kind(std::string_view begin) {
  if (begin.starts_with("PK\x03\x04")) return std::string(zip_kind(begin));
  const bool is_text = may_be_text(begin);
  for (const Kind& kind : kKinds) {
    if (is_text && !kind.is_text) continue;  // a table whose first column is BMI
    if (begin.substr(std::min(kind.at, begin.size())).starts_with(kind.magic)) {
      return std::string(kind.words);
    }
  }
  if (begin.size() >= 2 && begin[0] == '\x80' && begin[1] >= 2 && begin[1] <= 5) {
    return "a pickle of Python's: save arrays as .npy";
  }
  return is_text ? "text" : "bytes of no kind that is known here";
}

}  // namespace sluice::data
