#include "cli/model_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "core/count_text.h"
#include "core/log.h"
#include "sluice/errors.h"
#include "train/builtin_models.h"
#include "train/job_config.h"

namespace sluice::cli {
namespace {

// Throws std::invalid_argument, naming the flag.
float parse_scale(const std::string& text) {
  try {
    return train::parse_scale(text);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("--scale: ") + error.what());
  }
}

// Throws for names of which one is missing, or stands for two classes.
void require_names(const std::string& text) {
  const std::vector<std::string> names = train::split_at_commas(text);
  if (names.empty()) throw std::invalid_argument("--class-names: expected names, got none");
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (name->empty()) {
      throw std::invalid_argument("--class-names: a name is empty in \"" + text + "\"");
    }
    if (std::find(names.begin(), name, *name) == name) continue;
    throw std::invalid_argument("--class-names: two classes are called \"" + *name + "\"");
  }
}

// A flag that is checked when it is read, so that an empty value is not taken for none.
CLI::Option* add_checked(CLI::App& app, const std::string& flag, std::string& field,
                         const std::string& help, void (*check)(const std::string&)) {
  const auto set = [&field, check](const std::string& text) {
    check(text);
    field = text;
  };
  return app.add_option_function<std::string>(flag, set, help);
}

void check_class_names(const std::vector<std::string>& names, const Model& model) {
  const int64_t outputs = model.output_shapes().front().size();
  const auto count = static_cast<int64_t>(names.size());
  if (count == outputs || (count == 2 && outputs == 1)) return;
  throw std::invalid_argument(fmt::format("--class-names: {}, but the model gives {}",
                                          core::counted(count, "name", "names"),
                                          core::counted(outputs, "number", "numbers")));
}

void adopt_flags(const ModelFlags& flags, Model& model) {
  if (flags.scale.empty() && flags.class_names.empty()) return;
  Preprocessing preprocessing = model.preprocessing().value_or(
      Preprocessing{.sample_shape = model.input_shapes().front(), .scale = std::nullopt});
  if (!flags.scale.empty()) preprocessing.scale = parse_scale(flags.scale);
  if (!flags.class_names.empty()) {
    preprocessing.class_names = train::split_at_commas(flags.class_names);
    check_class_names(preprocessing.class_names, model);
  }
  model.set_preprocessing(std::move(preprocessing));
}

formats::ModelFile read_file(const std::string& file) {
  if (train::is_builtin_model(file)) {
    return {train::make_model(file, 0), formats::Format::kJson, false};
  }
  return formats::read_model(file);
}

}  // namespace

void add_model_file(CLI::App& app, ModelFlags& flags) {
  app.add_option("FILE", flags.file,
                 "a model: Keras' .keras, .h5 or JSON, ONNX, or what Sluice has saved")
      ->required()
      ->type_name("FILE");
  app.add_option("--weights", flags.weights,
                 "instead of the file's own, of any such file, or of a .weights.h5")
      ->type_name("FILE");
}

void add_preprocessing_flags(CLI::App& app, ModelFlags& flags) {
  add_checked(app, "--scale", flags.scale,
              "what bytes of images and numbers of tables are multiplied by, instead of what the "
              "model's file says: 1/255",
              [](const std::string& text) { (void)parse_scale(text); })
      ->type_name("NUMBER");
  add_checked(app, "--class-names", flags.class_names, "of class 0, 1, ..., likewise",
              require_names)
      ->type_name("NAME[,NAME...]");
}

formats::ModelFile read_model(const ModelFlags& flags) {
  log::set_level("warn");
  try {
    formats::ModelFile file = read_file(flags.file);
    if (!flags.weights.empty()) {
      formats::load_weights(flags.weights, file.model);
      file.has_weights = true;
    }
    adopt_flags(flags, file.model);
    return file;
  } catch (const RuntimeError& error) {
    throw std::invalid_argument(error.what());
  }
}

std::string format_of(const formats::ModelFile& file, const ModelFlags& flags) {
  if (flags.weights.empty()) return formats::name_of(file.format);
  return fmt::format("{}, weights from {}",
                     file.format == formats::Format::kJson ? "Keras' JSON" : name_of(file.format),
                     flags.weights);
}

void require_weights(const formats::ModelFile& file, const ModelFlags& flags) {
  if (file.has_weights) return;
  throw std::invalid_argument(
      flags.file + ": has layers alone, no weights; give a file that has some: --weights FILE");
}

}  // namespace sluice::cli
