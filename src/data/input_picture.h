// A picture as what a model's input takes.
#pragma once

#include <string>
#include <string_view>

#include "data/inputs.h"

namespace sluice::data {

// What bytes of images are multiplied by, which mean nothing by themselves. INVALID_ARGUMENT where
// the model's file does not say it.
Result<float> scale_of_bytes(const std::string& path, const InputFormat& format);
// Likewise for images as rows of numbers, which may be bytes or not.
Status check_scale_of_table(const std::string& path, const InputFormat& format);

// As a record; `file` holds the whole picture.
Status read_picture_input(const std::string& path, std::string_view file, const InputFormat& format,
                          const RowSink& sink);

}  // namespace sluice::data
