// Models that the command knows by name, and models from files.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/model.h"

namespace sluice::train {

// "mnist_cnn": Conv2D 32 3x3 ReLU twice, MaxPooling2D, Flatten, Dense 225 ReLU, Dense 10 softmax;
//              1,048,853 parameters (Dist-Keras' examples/mnist.py).
// "mnist_mlp": Flatten, Dense 1000 ReLU, Dense 250 ReLU, Dense 10 softmax; 1,037,760 parameters
//              (Dist-Keras' examples/mnist.ipynb).
// Anything else is a file of any format that formats::read_model() reads, whose weights it begins
// with, where it has some. All others are drawn by `seed`. Throws std::invalid_argument for
// anything else, and as read_model().
Model make_model(const std::string& name_or_path, uint64_t seed);

// Whether the command knows it by name: no file is read then.
bool is_builtin_model(const std::string& name);

}  // namespace sluice::train
