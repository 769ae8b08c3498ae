// Models that several tests of nn use, and how to read what was thrown.
#pragma once

#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

#include "sluice/errors.h"
#include "sluice/layers.h"
#include "sluice/model.h"
#include "tests/errors.h"

namespace sluice::nn {

// The MNIST CNN of golden/make_golden.py.
inline Sequential mnist_cnn() {
  Sequential model;
  model.add(Input({28, 28, 1}));
  model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
  model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
  model.add(MaxPooling2D({.pool_size = {2, 2}}));
  model.add(Flatten());
  model.add(Dense({.units = 225, .activation = "relu"}));
  model.add(Dense({.units = 10, .activation = "softmax"}));
  return model;
}

// residual() of golden/make_golden.py: branches, a layer that is called twice, a frozen one.
inline Model residual() {
  const auto same = [](const char* activation, const char* name) {
    return Conv2D({.filters = 4,
                   .kernel_size = 3,
                   .padding = "same",
                   .activation = activation,
                   .name = name});
  };
  const Input image({6, 6, 2}, {.name = "image"});
  const SymbolicTensor first = same("relu", "first")(image);
  const Conv2D shared = same("tanh", "shared");
  Conv2D frozen = same("linear", "other");
  frozen.set_trainable(false);
  const SymbolicTensor other = frozen(first);
  const SymbolicTensor total = Add({.name = "total"})({shared(other), shared(first), first});
  const SymbolicTensor flat =
      Flatten({.name = "flat"})(MaxPooling2D({.pool_size = 2, .name = "pooled"})(total));
  const Dense probabilities({.units = 3, .activation = "softmax", .name = "probs"});
  return Model(image, probabilities(flat), "residual");
}

// two_heads() of golden/make_golden.py: two inputs, of which one comes in late, and two outputs, of
// which one is read on.
inline Model two_heads() {
  const Input image({5, 5, 2}, {.name = "image"}), row({3}, {.name = "row"});
  const SymbolicTensor seen =
      Conv2D({.filters = 3, .kernel_size = 3, .activation = "relu", .name = "seen"})(image);
  const SymbolicTensor flat = Dense({.units = 4, .activation = "tanh", .name = "squeezed"})(
      Flatten({.name = "flat"})(seen));
  const SymbolicTensor kind = Dense({.units = 3, .activation = "softmax", .name = "kind"})(flat);
  const SymbolicTensor both =
      Add({.name = "both"})({kind, Dense({.units = 3, .name = "from_row"})(row)});
  const SymbolicTensor place = Dense({.units = 2, .name = "place"})(both);
  return Model({image, row}, {kind, place}, "two_heads");
}

// merges() of golden/make_golden.py: every layer that makes one value of several.
inline Model merges() {
  const auto dense = [](const char* activation, const char* name) {
    return Dense({.units = 4, .activation = activation, .name = name});
  };
  const Input x({5}, {.name = "x"});
  const SymbolicTensor a = dense("tanh", "a")(x), b = dense("linear", "b")(x);
  const SymbolicTensor c = dense("sigmoid", "c")(x);
  const SymbolicTensor largest = Maximum({.name = "largest"})({a, b, c});
  const SymbolicTensor smallest = Minimum({.name = "smallest"})({a, b});
  const SymbolicTensor span = Subtract({.name = "span"})({largest, smallest});
  const SymbolicTensor product = Multiply({.name = "product"})({span, a, c});
  const SymbolicTensor mean = Average({.name = "mean"})({product, b, largest});
  const Dense probabilities({.units = 3, .activation = "softmax", .name = "probs"});
  return Model(x, probabilities(Add({.name = "total"})({mean, smallest})), "merges");
}

// One of every layer, as all_layers() of golden/make_golden.py.
inline Sequential all_layers() {
  Sequential model("all_layers");
  model.add(Input({28, 30, 3}));
  model.add(Conv2D({.filters = 8,
                    .kernel_size = {3, 5},
                    .strides = {2, 1},
                    .padding = "same",
                    .activation = "relu",
                    .kernel_initializer = "he_normal",
                    .name = "first"}));
  model.add(AveragePooling2D(
      {.pool_size = {2, 3}, .strides = {1, 2}, .padding = "same", .name = "average"}));
  model.add(Conv2D({.filters = 4,
                    .kernel_size = 3,
                    .activation = "tanh",
                    .use_bias = false,
                    .kernel_initializer = "glorot_normal",
                    .name = "second"}));
  model.add(MaxPooling2D({.pool_size = 2, .name = "max"}));
  model.add(Dropout(0.25, {.seed = 7, .name = "drop"}));
  model.add(Activation("sigmoid", {.name = "squash"}));
  model.add(Flatten({.name = "flat"}));
  model.add(Dense({.units = 16,
                   .kernel_initializer = "he_uniform",
                   .bias_initializer = "ones",
                   .name = "dense"}));
  model.add(Dense({.units = 10,
                   .activation = "softmax",
                   .kernel_initializer = "lecun_normal",
                   .name = "probs"}));
  return model;
}

inline std::string read_golden(const std::string& name) {
  std::ifstream in(std::string(SLUICE_SOURCE_DIR) + "/tests/nn/golden/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

using sluice::message_of;

}  // namespace sluice::nn
