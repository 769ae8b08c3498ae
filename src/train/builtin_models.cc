#include "train/builtin_models.h"

#include <fmt/core.h>

#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "core/file_io.h"
#include "formats/checkpoint.h"
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

// A checkpoint has any size, a text a reasonable one.
std::string read_model_file(const std::string& path) {
  constexpr size_t kMostText = size_t{256} << 20;
  Result<std::string> file = core::read_file(path, [](std::string_view begin) {
    return formats::is_checkpoint(begin) ? SIZE_MAX / 2 : kMostText;
  });
  if (file.ok() && file->empty()) file = invalid_argument(path + " is empty");
  if (file.ok()) return *std::move(file);
  throw InvalidField("model",
                     fmt::format("neither mnist_cnn nor mnist_mlp, nor a file that can be read "
                                 "({})",
                                 file.status().message()));
}

}  // namespace

bool is_builtin_model(const std::string& name) {
  return name == "mnist_cnn" || name == "mnist_mlp";
}

Model make_model(const std::string& name, uint64_t seed) {
  Model model = Sequential();
  if (name == "mnist_cnn") {
    model = mnist_cnn();
  } else if (name == "mnist_mlp") {
    model = mnist_mlp();
  } else {
    const std::string file = read_model_file(name);
    if (formats::is_checkpoint(file)) return formats::parse_model(name, file);
    try {
      model = Model::from_json(file);
      if (!model.built()) {
        throw std::invalid_argument(
            model.layers().empty()
                ? "model JSON: \"layers\": expected at least one layer behind the input"
                : "model JSON: no layer says the input's shape: add an InputLayer before "
                  "to_json()");
      }
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(name + ": " + error.what());
    }
  }
  model.initialize(seed);
  return model;
}

}  // namespace sluice::train
