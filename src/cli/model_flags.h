// What commands that use a model's file have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "formats/model_file.h"

namespace sluice::cli {

struct ModelFlags {
  std::string file;
  std::string weights;
  std::string scale;
  std::string class_names;
};

// What to do about a dataset that does what the model does itself.
inline constexpr const char* kScaleAdvice =
    "say how it is to be: --scale 1 takes the values as they are stored, --scale 1/255 scales "
    "twice";

// FILE, and --weights.
void add_model_file(CLI::App& app, ModelFlags& flags);
// What the file may not say of the records: --scale and --class-names.
void add_preprocessing_flags(CLI::App& app, ModelFlags& flags);

// The model, with what the flags say beside its file. Throws std::invalid_argument for a file that
// cannot be read, and for flags that do not fit it: who runs the command can mend these.
formats::ModelFile read_model(const ModelFlags& flags);

// In which format the model came, and where its weights are from: "Keras' JSON, weights from w.h5".
std::string format_of(const formats::ModelFile& file, const ModelFlags& flags);

// Throws std::invalid_argument, saying how they are given, unless the model has its weights.
void require_weights(const formats::ModelFile& file, const ModelFlags& flags);

}  // namespace sluice::cli
