#include "train/builtin_models.h"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "sluice/layers.h"

namespace sluice::train {
namespace {

Sequential mnist_cnn() {
  Sequential model("mnist_cnn");
  model.add(Input({28, 28, 1}))
      .add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}))
      .add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}))
      .add(MaxPooling2D({.pool_size = {2, 2}}))
      .add(Flatten())
      .add(Dense({.units = 225, .activation = "relu"}))
      .add(Dense({.units = 10, .activation = "softmax"}));
  return model;
}

Sequential mnist_mlp() {
  Sequential model("mnist_mlp");
  model.add(Input({28, 28, 1}))
      .add(Flatten())
      .add(Dense({.units = 1000, .activation = "relu"}))
      .add(Dense({.units = 250, .activation = "relu"}))
      .add(Dense({.units = 10, .activation = "softmax"}));
  return model;
}

}  // namespace

Sequential make_model(const std::string& name) {
  if (name == "mnist_cnn") return mnist_cnn();
  if (name == "mnist_mlp") return mnist_mlp();
  std::ifstream file(name, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    throw std::invalid_argument("--model " + name +
                                ": neither mnist_cnn nor mnist_mlp, nor a file that can be read");
  }
  try {
    return Sequential::from_json(text.str());
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(name + ": " + error.what());
  }
}

}  // namespace sluice::train
