// Models as ONNX files: opset 17, IR version 8.
//
// Inputs and outputs have the model's names and its shapes, channels last, behind a first dimension
// "batch"; all are float32. Inside, images lie channels first, as ONNX wants them, and are
// transposed only where something else needs them. Nodes have their layers' names; weights are in
// the file. What the dataset did to its records (sluice/preprocessing.h) is metadata, "sluice".
#pragma once

#include <string>

#include "sluice/model.h"

namespace sluice::formats {

// What the model computes in inference mode, other than in two points: an embedding's row number
// that is NaN is whatever the reader makes of it, and NaN in activations may become a number.
// Throws std::invalid_argument, naming it, for a layer that the program computes itself, ShapeError
// for a model that is not built, RuntimeError for one that is larger than the 2 GiB that protobuf
// allows.
std::string onnx_bytes(const Model& model);

}  // namespace sluice::formats
