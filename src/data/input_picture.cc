#include "data/input_picture.h"

#include <fmt/core.h>

#include <optional>
#include <vector>

#include "data/picture.h"

namespace sluice::data {
namespace {

struct Layout {
  int64_t height, width;
  int channels;
  bool channels_first = false;
};

// [height, width], grey; [height, width, channels], as Keras has it; [channels, height, width], as
// PyTorch has it, where it can be nothing else.
std::optional<Layout> layout_of(const Shape& shape) {
  const std::vector<int64_t>& sizes = shape.dims();
  const auto are_channels = [](int64_t size) { return size == 1 || size == 3; };
  if (sizes.size() == 2) return Layout{sizes[0], sizes[1], 1};
  if (sizes.size() != 3) return std::nullopt;
  if (are_channels(sizes[2])) return Layout{sizes[0], sizes[1], static_cast<int>(sizes[2])};
  if (are_channels(sizes[0])) return Layout{sizes[1], sizes[2], static_cast<int>(sizes[0]), true};
  return std::nullopt;
}

std::vector<float> channels_first(const std::vector<float>& row, int channels) {
  std::vector<float> turned;
  turned.reserve(row.size());
  const auto step = static_cast<size_t>(channels);
  for (size_t c = 0; c < step; ++c) {
    for (size_t i = c; i < row.size(); i += step) turned.push_back(row[i]);
  }
  return turned;
}

}  // namespace

Status check_scale_of_table(const std::string& path, const InputFormat& format) {
  const bool is_known = format.preprocessing && format.preprocessing->scale;
  if (is_known || format.shape.rank() != 3 || !layout_of(format.shape)) return ok_status();
  return invalid_argument(path +
                          ": images as numbers, and the model does not say what its dataset did to "
                          "them; say it: --scale 1 for numbers as the network takes them, "
                          "--scale 1/255 for bytes");
}

Result<float> scale_of_bytes(const std::string& path, const InputFormat& format) {
  if (format.preprocessing && format.preprocessing->scale) return *format.preprocessing->scale;
  return invalid_argument(path +
                          ": the model does not say what its dataset did to bytes of images; say "
                          "it: --scale 1/255, or --scale 1 for a model that begins with Rescaling");
}

Status read_picture_input(const std::string& path, std::string_view file, const InputFormat& format,
                          const RowSink& sink) {
  const auto layout = layout_of(format.shape);
  if (!layout) {
    return invalid_argument(fmt::format(
        "{}: a picture, but the model takes {}; expected [height, width, channels] or [channels, "
        "height, width], of 1 channel or 3",
        path, format.shape.to_string()));
  }
  SLUICE_ASSIGN_OR_RETURN(const float scale, scale_of_bytes(path, format));
  SLUICE_ASSIGN_OR_RETURN(const Picture picture, decode_picture(path, file, layout->channels));
  std::vector<float> row = resized(picture, layout->height, layout->width);
  for (float& value : row) value *= scale;
  return sink(layout->channels_first ? channels_first(row, layout->channels) : row);
}

}  // namespace sluice::data
