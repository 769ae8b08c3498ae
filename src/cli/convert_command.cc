// `sluice convert`: a model from one format to another.
#include <fmt/core.h>

#include <memory>

#include "cli/commands.h"
#include "cli/model_flags.h"
#include "cli/outputs.h"
#include "core/standard_error.h"
#include "nn/model_impl.h"

namespace sluice::cli {
namespace {

struct ConvertFlags {
  ModelFlags model;
  std::string to;
};

void require(const Status& status) {
  if (!status.ok()) throw std::invalid_argument(status.message());
}

// What does not come along, and why.
std::string what_is_lost(const formats::ModelFile& from, formats::Format to) {
  using formats::Format;
  const auto& training = from.model.impl().training;
  if (to == Format::kJson) return from.has_weights ? ", which has no place for weights" : "";
  if (to == Format::kWeightsH5) return ", which has no place for layers";
  if (!training || training->optimizer_state.iterations == 0 || to == Format::kKeras) return "";
  // Keras 3 cannot train a model of an .h5 that has it.
  if (to == Format::kH5) {
    return ", without the optimizer's state, which Sluice writes to .keras alone";
  }
  return ", which has no place for the optimizer's state";
}

int convert(const ConvertFlags& flags) {
  const formats::ModelFile from = read_model(flags.model);
  // As --save of a job.
  formats::ModelOutput output(flags.to == "-" ? "/dev/stdout" : flags.to);
  if (output.format() != formats::Format::kJson) require_weights(from, flags.model);
  if (output.file() != nullptr) {
    require_apart(*output.file(), {flags.model.file, flags.model.weights});
    require_apart(*output.file(), from.model.impl().other_files);
  }
  require(output.check(from.model));
  require(output.open());
  const Status written = output.write(from.model);
  if (!written.ok()) return fail(1, written.message());
  core::write_to_standard_error(fmt::format(
      "{} ({}) is written to {} ({}){}\n", flags.model.file, format_of(from, flags.model),
      output.path(), name_of(output.format()), what_is_lost(from, output.format())));
  return 0;
}

}  // namespace

Command add_convert_command(CLI::App& app) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* command = app.add_subcommand("convert", "Writes a model in another format");
  add_model_file(*command, flags->model);
  command
      ->add_option("TO", flags->to,
                   "by its ending: .keras, .h5, .weights.h5, .json, .onnx, / for a SavedModel's "
                   "folder; any other is Sluice's own, - too, standard output")
      ->required()
      ->type_name("TO");
  add_preprocessing_flags(*command, flags->model);
  command->footer(
      fmt::format("Examples:\n"
                  "  sluice convert mnist.keras mnist.onnx\n"
                  "  sluice convert mnist.sluice models/1/\n"
                  "  sluice convert resnet.h5 pets.keras --scale 1/255 --class-names cat,dog\n"
                  "\n"
                  "Exit status: {}.",
                  kExitStatus));
  return {command, [flags] { return convert(*flags); }};
}

}  // namespace sluice::cli
