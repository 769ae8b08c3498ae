// Files that a trained model is used on, as rows of numbers: what the command `sluice predict`
// reads.
#pragma once

#include <string>
#include <vector>

#include "sluice/cplusplus.h"
#include "sluice/shape.h"

namespace sluice {

class Model;

// The records of a file, [n, input...] row-major, for Model::predict() of a model of one input.
//
//   .npy        numbers as the network takes them; nothing is done to them. Axes of size 1 may be
//               missing or surplus: [n, 28, 28] for an input [28, 28, 1]
//   IDX, CSV    images of bytes, a record a row; plain or gzip
//   lines       of JSON: an array of numbers each, or an object
//   JPEG, PNG   one record, resized to the input's height and width as by read_picture()
//
// A file is told by its content. To all but .npy is done what Model::preprocessing() says was done
// to the records that the model was trained on; columns of a table, and members of objects, are
// found by their names. A pipe or a device, and "-", standard input, are read to their end. Throws
// std::invalid_argument for a file of no such kind or of other records than the model takes, and
// for bytes of images and pictures where preprocessing() is unknown; RuntimeError for one that
// cannot be read or is damaged.
std::vector<float> read_inputs(const std::string& path, const Model& model);

// A picture, JPEG or PNG, of any size, as the shape [height, width, channels] says, 1 channel or 3,
// or [height, width], or [channels, height, width] where it can be nothing else: values from 0 to
// 255, each from the four pixels around its place, as tf.image.resize(method="bilinear"). Throws as
// above.
std::vector<float> read_picture(const std::string& path, const Shape& shape);

}  // namespace sluice
