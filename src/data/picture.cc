#include "data/picture.h"

#include <fmt/core.h>
#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <memory>

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

Result<Picture> decode_png(const std::string& path, std::string_view file, int channels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> freed(&image, png_image_free);
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) {
    return damaged(path, image.message);
  }
  SLUICE_RETURN_IF_ERROR(check_size(path, file, image.width, image.height));
  const bool is_grey = (image.format & PNG_FORMAT_FLAG_COLOR) == 0;
  // With transparency, which is left out afterwards: otherwise libpng would put it on a background.
  image.format = is_grey ? PNG_FORMAT_GA : PNG_FORMAT_RGBA;
  const size_t stored = is_grey ? 2 : 4;
  const size_t count = size_t{image.width} * image.height;
  std::vector<uint8_t> all(count * stored);
  if (png_image_finish_read(&image, nullptr, all.data(), 0, nullptr) == 0) {
    return damaged(path, image.message);
  }
  Picture picture{image.height, image.width, channels, {}};
  picture.pixels.resize(count * static_cast<size_t>(channels));
  uint8_t* to = picture.pixels.data();
  for (const uint8_t* from = all.data(); from < all.data() + all.size(); from += stored) {
    if (channels == 1) {
      *to++ = is_grey ? from[0] : luminance(from);
    } else {
      for (int c = 0; c < 3; ++c) *to++ = from[is_grey ? 0 : c];
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
