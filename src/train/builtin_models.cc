#include "train/builtin_models.h"

#include <fmt/core.h>

#include <stdexcept>

#include "core/file_io.h"
#include "nn/checkpoint.h"
#include "sluice/layers.h"
#include "train/job_config.h"

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

bool is_builtin_model(const std::string& name) {
  return name == "mnist_cnn" || name == "mnist_mlp";
}

Sequential make_model(const std::string& name, uint64_t seed) {
  Sequential model;
  if (name == "mnist_cnn") {
    model = mnist_cnn();
  } else if (name == "mnist_mlp") {
    model = mnist_mlp();
  } else if (nn::is_checkpoint(name)) {
    return load_model(name);
  } else {
    const Result<std::string> text = core::read_text(name);
    if (!text.ok()) {
      throw InvalidField(
          "model", fmt::format("neither mnist_cnn nor mnist_mlp, nor a file that can be read ({})",
                               text.status().message()));
    }
    try {
      model = Sequential::from_json(*text);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(name + ": " + error.what());
    }
  }
  model.initialize(seed);
  return model;
}

}  // namespace sluice::train
