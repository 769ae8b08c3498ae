// Pictures of cameras and drawing programs: JPEG (libjpeg-turbo) and PNG (libpng).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/shape.h"
#include "sluice/status.h"

namespace sluice::data {

struct Picture {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;  // [height, width, channels]
};

// Whether a file begins as a JPEG or a PNG.
bool is_picture(std::string_view begin);

// As 1 channel, luminance (0.299 R + 0.587 G + 0.114 B), or as 3, RGB; what is transparent has the
// colour that is stored there, as with Pillow's convert(), and of 16 bits the first 8 count, as
// with tf.io.decode_png(). At most 2^28 pixels. Neither an orientation nor gamma nor a colour
// profile is heeded, as in Keras. Statuses begin with `path`: INVALID_ARGUMENT for no such picture,
// DATA_LOSS for a damaged one.
Result<Picture> decode_picture(const std::string& path, std::string_view file, int channels);

// To `height` x `width`: each pixel from the four around its place, between pixels' centres, as
// tf.image.resize(method="bilinear") and keras.utils.image_dataset_from_directory(). Values from 0
// to 255, [height, width, channels].
std::vector<float> resized(const Picture& picture, int64_t height, int64_t width);

}  // namespace sluice::data
