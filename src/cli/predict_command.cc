// `sluice predict`: what a model makes of files.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "cli/outputs.h"
#include "cli/predictions.h"
#include "core/byte_stream.h"
#include "core/input_file.h"
#include "core/standard_error.h"
#include "data/inputs.h"
#include "nn/model_impl.h"
#include "show/record_counter.h"
#include "train/builtin_models.h"
#include "train/job_config.h"

namespace sluice::cli {
namespace {

struct PredictFlags {
  ModelFlags model;
  std::vector<std::string> inputs;
  std::string target, ignored;
  std::string output;
  bool json = false;
  int top = 3;
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "cpu";
};

// Where --output leads.
std::string place_of(const std::string& output) { return output == "-" ? "/dev/stdout" : output; }

// Predicts and tells.
class Predictor {
 public:
  Predictor(const PredictFlags& flags, const Model& model)
      : flags_(flags), model_(model), names_(names_of_outputs(model)) {
    options_.batch_size = flags.batch_size;
    options_.threads = flags.threads;
    options_.device = flags.device;
    style_ = {.top = flags.top, .is_short = ::isatty(STDOUT_FILENO) == 1};
    const bool is_lines = flags.json && flags.output == "-";
    if (!flags.output.empty() && !is_lines) file_.emplace(place_of(flags.output), names_);
  }

  // Records that follow those before of the same input; of several inputs an array for each.
  void take(const std::string& input, const std::vector<std::span<const float>>& x) {
    const auto y = model_.predict(x, options_);
    const auto size = static_cast<size_t>(names_.shapes.front().size());
    const size_t records = y.front().size() / size;
    std::string text;
    for (size_t i = 0; i < records; ++i, ++record_) {
      Prediction prediction{.input = input,
                            .record = record_,
                            .is_numbered = always_numbered_ || records > 1 || record_ > 0};
      for (size_t k = 0; k < y.size(); ++k) {
        const auto width = static_cast<size_t>(names_.shapes[k].size());
        prediction.y.push_back(std::span(y[k]).subspan(i * width, width));
      }
      if (file_) {
        file_->add(prediction);
      } else if (flags_.json) {
        text += json_of(names_, prediction) + "\n";
      } else {
        text += line_of(names_, prediction, style_);
      }
    }
    if (file_) {
      file_->flush();
    } else {
      std::fputs(text.c_str(), stdout);
      std::fflush(stdout);
    }
    counter_.add(static_cast<int64_t>(records));
  }
  // How many records come through a pipe nobody knows when the first one does.
  void begin_input(const std::string& input) {
    record_ = 0;
    always_numbered_ = core::is_stream(input);
  }

  Status finish() { return file_ ? file_->write() : ok_status(); }

 private:
  const PredictFlags& flags_;
  const Model& model_;
  const OutputNames names_;
  PredictOptions options_;
  LineStyle style_;
  std::optional<PredictionFile> file_;
  show::RecordCounter counter_;
  int64_t record_ = 0;
  bool always_numbered_ = false;
};

data::InputFormat format_of(const PredictFlags& flags, const Model& model, size_t input) {
  return {.shape = model.input_shapes()[input],
          .preprocessing = model.preprocessing(),
          .target = flags.target,
          .ignored = train::split_at_commas(flags.ignored)};
}

// Before any of the others is read.
Status check_is_there(const std::string& input) {
  return core::is_stream(input) ? ok_status() : core::InputFile::open(input).status();
}

using Kinds = std::vector<data::InputKind>;

Status predict_each(const PredictFlags& flags, const Model& model, Predictor& predictor,
                    Kinds& kinds) {
  for (const std::string& input : flags.inputs) SLUICE_RETURN_IF_ERROR(check_is_there(input));
  for (const std::string& input : flags.inputs) {
    predictor.begin_input(input);
    SLUICE_ASSIGN_OR_RETURN(
        const data::InputKind kind,
        data::read_inputs(input, format_of(flags, model, 0), [&](std::span<const float> rows) {
          predictor.take(input, {rows});
          return ok_status();
        }));
    kinds.push_back(kind);
  }
  return ok_status();
}

// Which of the model's inputs "NAME=FILE" is for.
Result<size_t> input_named(const std::string& input, const std::vector<std::string>& names) {
  const size_t sign = input.find('=');
  if (sign == std::string::npos) {
    return invalid_argument(
        fmt::format("{}: the model has several inputs; give each a file, NAME=FILE: {}", input,
                    fmt::join(names, ", ")));
  }
  const auto name = std::ranges::find(names, input.substr(0, sign));
  if (name != names.end()) return static_cast<size_t>(name - names.begin());
  return invalid_argument(fmt::format("{}: the model has no input \"{}\"; it has {}", input,
                                      input.substr(0, sign), fmt::join(names, ", ")));
}

// NAME=FILE for each input of the model.
Status predict_several(const PredictFlags& flags, const Model& model, Predictor& predictor,
                       Kinds& kinds) {
  const std::vector<std::string> names = model.input_names();
  std::vector<std::string> files(names.size());
  for (const std::string& input : flags.inputs) {
    SLUICE_ASSIGN_OR_RETURN(const size_t k, input_named(input, names));
    if (!files[k].empty()) return invalid_argument("two files for the model's input " + names[k]);
    files[k] = input.substr(input.find('=') + 1);
    SLUICE_RETURN_IF_ERROR(check_is_there(files[k]));
  }
  std::vector<std::vector<float>> x(names.size());
  for (size_t k = 0; k < names.size(); ++k) {
    if (files[k].empty()) return invalid_argument("no file for the model's input " + names[k]);
    SLUICE_ASSIGN_OR_RETURN(
        const data::InputKind kind,
        data::read_inputs(files[k], format_of(flags, model, k), [&](std::span<const float> rows) {
          x[k].insert(x[k].end(), rows.begin(), rows.end());
          return ok_status();
        }));
    kinds.push_back(kind);
  }
  predictor.take("", {x.begin(), x.end()});
  return ok_status();
}

// A flag that does nothing says so.
void warn_of_idle_flags(const PredictFlags& flags, const Kinds& kinds) {
  const auto all_of = [&](auto is_deaf) { return std::ranges::all_of(kinds, is_deaf); };
  std::vector<std::string> idle;
  if (!flags.model.scale.empty() &&
      all_of([](data::InputKind kind) { return kind == data::InputKind::kArray; })) {
    idle.emplace_back("--scale does nothing here: nothing is done to .npy");
  }
  if (all_of([](data::InputKind kind) { return kind != data::InputKind::kTable; })) {
    if (!flags.target.empty()) idle.emplace_back("--target does nothing here: it is for tables");
    if (!flags.ignored.empty()) idle.emplace_back("--ignore does nothing here: it is for tables");
  }
  if (idle.empty()) return;
  core::write_to_standard_error(fmt::format("sluice: {}\n", fmt::join(idle, "; ")));
}

// Whether it is the input that is wrong, and not what became of reading it.
bool is_wrong_input(const Status& status) {
  const StatusCode code = status.code();
  return code == StatusCode::kInvalidArgument || code == StatusCode::kNotFound ||
         code == StatusCode::kPermissionDenied || code == StatusCode::kDataLoss;
}

// The command's own files, whatever stands before an input's name.
std::vector<std::string> files_read(const PredictFlags& flags) {
  std::vector<std::string> files = {flags.model.weights};
  if (!train::is_builtin_model(flags.model.file)) files.push_back(flags.model.file);
  for (const std::string& input : flags.inputs) {
    files.push_back(input == "-" ? "/dev/stdin" : input);
    files.push_back(input.substr(input.find('=') + 1));
  }
  return files;
}

int predict(const PredictFlags& flags) {
  if (flags.top < 1) throw std::invalid_argument("--top: expected at least 1 class");
  const formats::ModelFile file = read_model(flags.model);
  require_weights(file, flags.model);
  if (!flags.output.empty()) {
    const core::OutputFile output(place_of(flags.output));
    require_apart(output, files_read(flags));
    require_apart(output, file.model.impl().other_files);
  }
  Predictor predictor(flags, file.model);
  Kinds kinds;
  const bool has_several = file.model.input_names().size() > 1;
  const Status read = has_several ? predict_several(flags, file.model, predictor, kinds)
                                  : predict_each(flags, file.model, predictor, kinds);
  if (!read.ok()) return fail(is_wrong_input(read) ? 2 : 1, read.message());
  warn_of_idle_flags(flags, kinds);
  const Status written = predictor.finish();
  return written.ok() ? 0 : fail(1, written.message());
}

}  // namespace

Command add_predict_command(CLI::App& app) {
  auto flags = std::make_shared<PredictFlags>();
  CLI::App* command = app.add_subcommand("predict", "Tells what a model makes of files");
  add_model_file(*command, flags->model);
  command
      ->add_option(
          "INPUT", flags->inputs,
          "numbers (.npy), images (IDX), tables (CSV), lines of JSON, pictures (JPEG, PNG); - for "
          "standard input: .npy, a picture, or a record a line, its numbers separated by commas or "
          "as JSON; of a model of several inputs NAME=FILE for each")
      ->required()
      ->type_name("INPUT ...");
  command
      ->add_option(
          "--output", flags->output,
          "all predictions: .npy, the numbers; .csv or .json, with names; -, CSV on standard "
          "output (otherwise lines there)")
      ->type_name("FILE");
  command->add_flag("--json", flags->json, "lines of JSON");
  add_value(*command, "--top", flags->top, "how many classes a line names")->type_name("NUMBER");
  command
      ->add_option("--target", flags->target,
                   "of a CSV file, no feature, if the model's file does not name its columns")
      ->type_name("COLUMN");
  command->add_option("--ignore", flags->ignored, "likewise")->type_name("COLUMN[,COLUMN...]");
  add_preprocessing_flags(*command, flags->model);
  add_value(*command, "--batch-size", flags->batch_size, "records at once")->type_name("NUMBER");
  add_value(*command, "--threads", flags->threads, "that compute; 0: all cores")
      ->type_name("NUMBER");
  command->add_option("--device", flags->device, "what computes")
      ->type_name("auto|cpu|cuda|cuda:N")
      ->capture_default_str();
  command->footer(fmt::format(
      "What a dataset did to the records that the model was trained on is done to images, tables, "
      "pictures and lines, where the model's file says what that was; never to .npy. A table's "
      "first "
      "line is a header where it has the names of the model's columns, or no numbers. Pictures are "
      "resized; of a model that takes [3, height, width] or [1, height, width] channels come "
      "first.\n"
      "\n"
      "Examples:\n"
      "  sluice predict pets.keras photo.jpg\n"
      "  sluice predict mnist.keras t10k-images-idx3-ubyte --output digits.csv\n"
      "  producer | sluice predict flowers.keras - --json\n"
      "\n"
      "Exit status: {}.",
      kExitStatus));
  return {command, [flags] { return predict(*flags); }};
}

}  // namespace sluice::cli
