#include "train/builtin_models.h"

#include <fmt/core.h>

#include <filesystem>
#include <utility>

#include "formats/model_file.h"
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

Model make_model(const std::string& name, uint64_t seed) {
  if (!is_builtin_model(name)) {
    if (std::error_code ignored; !std::filesystem::exists(name, ignored)) {
      throw InvalidField("model",
                         fmt::format("neither mnist_cnn nor mnist_mlp, nor a file that is there "
                                     "({})",
                                     name));
    }
    formats::ModelFile file = formats::read_model(name);
    if (!file.has_weights) file.model.initialize(seed);
    return std::move(file.model);
  }
  Model model = name == "mnist_cnn" ? mnist_cnn() : mnist_mlp();
  model.initialize(seed);
  return model;
}

}  // namespace sluice::train
