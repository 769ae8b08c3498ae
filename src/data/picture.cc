#include "data/picture.h"

#include <fmt/core.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <memory>
#include <utility>

namespace sluice::data {
namespace {

constexpr std::string_view kJpeg = "\xff\xd8\xff";
constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n";
constexpr int64_t kMostPixels = int64_t{1} << 28;
// Deflate makes at most 1,032 bytes of one, each of 8 pixels; JPEG takes more than that.
constexpr size_t kMostPixelsPerByte = 8 * 1032;

Status damaged(const std::string& path, std::string_view why) {
  return data_loss(fmt::format("{}: a damaged picture: {}; use another copy", path, why));
}

// Before memory for them is taken, which a few bytes could ask for.
Status check_size(const std::string& path, std::string_view file, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kMostPixels / height) {
    return invalid_argument(
        fmt::format("{}: a picture of {} x {} pixels; expected at most 2^28", path, width, height));
  }
  if (static_cast<size_t>(width * height) / kMostPixelsPerByte > file.size()) {
    return damaged(path,
                   fmt::format("{} bytes cannot have {} x {} pixels", file.size(), width, height));
  }
  return ok_status();
}

// Of what libjpeg-turbo says and PNG's reader counts as damage: not bytes that are left over.
bool is_harmless(std::string_view warning) {
  return warning.find("extraneous bytes") != std::string_view::npos;
}

Result<Picture> decode_jpeg(const std::string& path, std::string_view file, int channels) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  if (!decoder) return unavailable(path + ": libjpeg-turbo cannot be used");
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  int width = 0, height = 0, sampling = 0, colors = 0;
  if (tjDecompressHeader3(decoder.get(), bytes, file.size(), &width, &height, &sampling, &colors) !=
      0) {
    return damaged(path, tjGetErrorStr2(decoder.get()));
  }
  SLUICE_RETURN_IF_ERROR(check_size(path, file, width, height));
  if (colors == TJCS_CMYK || colors == TJCS_YCCK) {
    return invalid_argument(path + ": a JPEG in CMYK, for printing; expected RGB or grey");
  }
  Picture picture{height, width, channels, {}};
  picture.pixels.resize(static_cast<size_t>(height) * static_cast<size_t>(width * channels));
  const int format = channels == 1 ? TJPF_GRAY : TJPF_RGB;
  if (tjDecompress2(decoder.get(), bytes, file.size(), picture.pixels.data(), width, 0, height,
                    format, TJFLAG_ACCURATEDCT) != 0) {
    const char* why = tjGetErrorStr2(decoder.get());
    if (tjGetErrorCode(decoder.get()) != TJERR_WARNING || !is_harmless(why)) {
      return damaged(path, why);
    }
  }
  return picture;
}

// As Pillow: in whole numbers, rounded.
uint8_t luminance(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

// libpng's errors leave by longjmp(), from within step(), whose functions therefore have nothing to
// be destroyed.
class PngReader {
 public:
  explicit PngReader(std::string_view file) : rest_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, ignore);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  // False: it is damaged, and message() says how.
  bool read_header() { return info_ != nullptr && step(header); }
  // `pixels` has room for height * width * channels().
  bool read_pixels(uint8_t* pixels) {
    pixels_ = pixels;
    return step(rows);
  }

  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }
  int channels() const { return channels_; }
  const char* message() const { return message_.data(); }

 private:
  bool step(void (*what)(PngReader&)) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    what(*this);
    return true;
  }

  // To bytes, grey or RGB, as they are stored: the first byte of two, whatever gamma and profile
  // are there, and without what says how transparent they are.
  static void header(PngReader& reader) {
    png_structp png = reader.png_;
    png_set_read_fn(png, &reader, read);
    png_set_benign_errors(png, 1);
    png_read_info(png, reader.info_);
    const int color = png_get_color_type(png, reader.info_);
    png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
    reader.passes_ = png_set_interlace_handling(png);
    png_read_update_info(png, reader.info_);
    reader.channels_ = png_get_channels(png, reader.info_);
    const auto row = static_cast<size_t>(reader.width()) * static_cast<size_t>(reader.channels_);
    if (png_get_rowbytes(png, reader.info_) != row) png_error(png, "rows of another size");
  }

  static void rows(PngReader& reader) {
    const size_t row = png_get_rowbytes(reader.png_, reader.info_);
    const auto height = static_cast<size_t>(reader.height());
    for (int pass = 0; pass < reader.passes_; ++pass) {
      for (size_t y = 0; y < height; ++y) {
        png_read_row(reader.png_, reader.pixels_ + y * row, nullptr);
      }
    }
  }

  static PngReader& of(png_voidp self) { return *static_cast<PngReader*>(self); }
  static void read(png_structp png, png_bytep into, size_t bytes) {
    std::string_view& rest = of(png_get_io_ptr(png)).rest_;
    if (bytes > rest.size()) png_error(png, "it ends early");
    std::copy_n(rest.begin(), bytes, into);
    rest.remove_prefix(bytes);
  }
  static void fail(png_structp png, const char* message) {
    std::array<char, 128>& kept = of(png_get_error_ptr(png)).message_;
    const size_t length = std::min(std::strlen(message), kept.size() - 1);
    std::copy_n(message, length, kept.begin());
    png_longjmp(png, 1);
  }
  static void ignore(png_structp, const char*) {}

  std::string_view rest_;
  uint8_t* pixels_ = nullptr;
  int channels_ = 0, passes_ = 0;
  std::array<char, 128> message_{};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

Result<Picture> decode_png(const std::string& path, std::string_view file, int channels) {
  PngReader reader(file);
  if (!reader.read_header()) return damaged(path, reader.message());
  SLUICE_RETURN_IF_ERROR(check_size(path, file, reader.width(), reader.height()));
  const auto stored = static_cast<size_t>(reader.channels());
  const bool is_grey = stored == 1;
  const size_t count = static_cast<size_t>(reader.width()) * static_cast<size_t>(reader.height());
  std::vector<uint8_t> all(count * stored);
  if (!reader.read_pixels(all.data())) return damaged(path, reader.message());
  Picture picture{reader.height(), reader.width(), channels, {}};
  if (channels == reader.channels()) {
    picture.pixels = std::move(all);
    return picture;
  }
  picture.pixels.resize(count * static_cast<size_t>(channels));
  uint8_t* to = picture.pixels.data();
  for (const uint8_t* from = all.data(); from < all.data() + all.size(); from += stored) {
    if (is_grey) {
      to = std::fill_n(to, 3, *from);
    } else {
      *to++ = luminance(from);
    }
  }
  return picture;
}

// Between which two of n pixels the centre of pixel i of `count` lies, and how near the second.
struct Between {
  int64_t low, high;
  float weight;
};

std::vector<Between> places(int64_t n, int64_t count) {
  std::vector<Between> result;
  const float scale = static_cast<float>(n) / static_cast<float>(count);
  for (int64_t i = 0; i < count; ++i) {
    const float at = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    const float low = std::floor(at);
    result.push_back({std::clamp<int64_t>(static_cast<int64_t>(low), 0, n - 1),
                      std::clamp<int64_t>(static_cast<int64_t>(low) + 1, 0, n - 1), at - low});
  }
  return result;
}

}  // namespace

bool is_picture(std::string_view begin) {
  return begin.starts_with(kJpeg) || begin.starts_with(kPng);
}

Result<Picture> decode_picture(const std::string& path, std::string_view file, int channels) {
  if (file.starts_with(kJpeg)) return decode_jpeg(path, file, channels);
  if (file.starts_with(kPng)) return decode_png(path, file, channels);
  return invalid_argument(path + ": expected a picture, JPEG or PNG");
}

std::vector<float> resized(const Picture& picture, int64_t height, int64_t width) {
  const std::vector<Between> rows = places(picture.height, height);
  const std::vector<Between> columns = places(picture.width, width);
  std::vector<float> result;
  result.reserve(static_cast<size_t>(height * width * picture.channels));
  const auto pixel = [&](int64_t y, int64_t x, int64_t c) {
    const int64_t at = (y * picture.width + x) * picture.channels + c;
    return static_cast<float>(picture.pixels[static_cast<size_t>(at)]);
  };
  for (const Between& y : rows) {
    for (const Between& x : columns) {
      for (int64_t c = 0; c < picture.channels; ++c) {
        const float top_left = pixel(y.low, x.low, c), bottom_left = pixel(y.high, x.low, c);
        const float top = top_left + (pixel(y.low, x.high, c) - top_left) * x.weight;
        const float bottom = bottom_left + (pixel(y.high, x.high, c) - bottom_left) * x.weight;
        result.push_back(top + (bottom - top) * y.weight);
      }
    }
  }
  return result;
}

}  // namespace sluice::data
