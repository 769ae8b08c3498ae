// .keras: a zip archive of metadata.json, config.json and model.weights.h5.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "formats/hdf5_reader.h"
#include "formats/keras_files.h"
#include "formats/keras_state.h"
#include "formats/keras_weights.h"
#include "formats/zip_reader.h"
#include "sluice/errors.h"

namespace sluice::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char *kMetadata = "metadata.json", *kConfig = "config.json",
                     *kWeights = "model.weights.h5", *kPreprocessing = "sluice.json";
constexpr uint64_t kMostText = uint64_t{256} << 20;

std::string text_of(const ZipReader& archive, const char* member) {
  std::string storage;
  const std::span<const char> text = archive.read(member, storage, kMostText);
  return {text.begin(), text.end()};
}

}  // namespace

Model parse_keras(std::span<const char> file) {
  const ZipReader archive(file);
  std::string version;
  if (archive.has(kMetadata)) {
    const Json metadata = parse_json_of(kMetadata, text_of(archive, kMetadata));
    if (metadata.is_object() && metadata.contains("keras_version") &&
        metadata["keras_version"].is_string()) {
      version = metadata["keras_version"].get<std::string>();
    }
  }
  Json config = parse_json_of(kConfig, text_of(archive, kConfig));
  const Json compiled =
      config.is_object() && config.contains("compile_config") ? config["compile_config"] : Json();
  Model model = read_keras_model(std::move(config), version);

  std::string storage;
  Hdf5Reader weights(archive.read(kWeights, storage));
  read_keras_weights(weights, model);
  adopt_training(
      compiled, weights, [&] { return stored_optimizer(weights); }, model);
  if (archive.has(kPreprocessing)) {
    model.set_preprocessing(preprocessing_of(text_of(archive, kPreprocessing)));
  }
  return model;
}

}  // namespace sluice::formats
