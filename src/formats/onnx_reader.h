// Models from ONNX files: those that onnx_writer.h makes, and what torch.onnx.export makes of
// convolutional networks; opsets 7 to 22 are read, files of 9, 13 and 17 are tested.
#pragma once

#include <span>
#include <string>

#include "sluice/model.h"

namespace sluice::formats {

// A model of layers, to be trained on. Inputs and outputs keep the file's shapes and, as far as
// layers may have them, its names; images that come channels first are permuted once, and inside
// channels are last. Float16 and double become float32. `folder` is where the file lies: weights
// that it keeps beside itself are read from there, and from nowhere else.
//
// Throws RuntimeError for a file that is none or damaged, and std::invalid_argument, naming
// operator and node, for what layers of ours do not do.
Model parse_onnx(std::span<const char> file, const std::string& folder);

}  // namespace sluice::formats
