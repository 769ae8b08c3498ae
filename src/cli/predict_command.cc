// `sluice predict`: what a model makes of files.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/model_flags.h"
#include "cli/outputs.h"
#include "cli/predictions.h"
#include "data/inputs.h"
#include "show/record_counter.h"
#include "train/builtin_models.h"

namespace sluice::cli {
namespace {

struct Flags {
  ModelFlags model;
  std::vector<std::string> inputs;
  std::string output;
  bool json = false;
  int top = 3;
  int64_t batch_size = 128;
  int threads = 0;
  std::string device = "cpu";
};

// Predicts and tells.
class Predictor {
 public:
  Predictor(const Flags& flags, const Model& model)
      : flags_(flags), model_(model), names_(names_of_outputs(model)) {
    options_.batch_size = flags.batch_size;
    options_.threads = flags.threads;
    options_.device = flags.device;
    if (!flags.output.empty()) file_.emplace(flags.output, names_);
  }

  // Records of a file that follow those before; of several inputs an array for each.
  void take(const std::string& input, const std::vector<std::span<const float>>& x) {
    const auto y = model_.predict(x, options_);
    const auto size = static_cast<size_t>(names_.shapes.front().size());
    const size_t records = y.front().size() / size;
    std::string text;
    for (size_t i = 0; i < records; ++i, ++record_) {
      Prediction prediction{
          .input = input, .record = record_, .is_numbered = records > 1 || record_ > 0};
      for (size_t k = 0; k < y.size(); ++k) {
        const auto width = static_cast<size_t>(names_.shapes[k].size());
        prediction.y.push_back(std::span(y[k]).subspan(i * width, width));
      }
      if (file_) {
        file_->add(prediction);
      } else if (flags_.json) {
        text += json_of(names_, prediction) + "\n";
      } else {
        text += line_of(names_, prediction, flags_.top);
      }
    }
    if (!file_) {
      std::fputs(text.c_str(), stdout);
      std::fflush(stdout);
    }
    counter_.add(static_cast<int64_t>(records));
  }
  void begin_input() { record_ = 0; }

  Status finish() { return file_ ? file_->write() : ok_status(); }

 private:
  const Flags& flags_;
  const Model& model_;
  const OutputNames names_;
  PredictOptions options_;
  std::optional<PredictionFile> file_;
  show::RecordCounter counter_;
  int64_t record_ = 0;
};

data::InputFormat format_of(const Model& model, size_t input) {
  return {model.input_shapes()[input], model.preprocessing()};
}

// As it comes.
Status read_standard_input(const data::InputFormat& format, Predictor& predictor) {
  data::InputLines lines("-", format, [&](std::span<const float> rows) {
    predictor.take("-", {rows});
    return ok_status();
  });
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return unavailable(std::string("cannot read standard input: ") + strerror(errno));
    if (n == 0) return lines.finish();
    SLUICE_RETURN_IF_ERROR(lines.feed({buffer.data(), static_cast<size_t>(n)}));
  }
}

Status predict_file(const std::string& input, const Model& model, Predictor& predictor) {
  predictor.begin_input();
  const data::InputFormat format = format_of(model, 0);
  if (input == "-") return read_standard_input(format, predictor);
  return data::read_inputs(input, format, [&](std::span<const float> rows) {
    predictor.take(input, {rows});
    return ok_status();
  });
}

// NAME=FILE for each input of the model.
Status predict_several(const std::vector<std::string>& inputs, const Model& model,
                       Predictor& predictor) {
  const std::vector<std::string> names = model.input_names();
  std::vector<std::vector<float>> x(names.size());
  for (const std::string& input : inputs) {
    const size_t sign = input.find('=');
    const auto name = std::ranges::find(names, input.substr(0, sign));
    if (sign == std::string::npos || name == names.end()) {
      return invalid_argument(
          fmt::format("{}: the model has several inputs; give each a file, NAME=FILE: {}", input,
                      fmt::join(names, ", ")));
    }
    const auto k = static_cast<size_t>(name - names.begin());
    SLUICE_RETURN_IF_ERROR(data::read_inputs(input.substr(sign + 1), format_of(model, k),
                                             [&](std::span<const float> rows) {
                                               x[k].insert(x[k].end(), rows.begin(), rows.end());
                                               return ok_status();
                                             }));
  }
  for (size_t k = 0; k < names.size(); ++k) {
    if (x[k].empty()) return invalid_argument("no file for the model's input " + names[k]);
  }
  predictor.take("", {x.begin(), x.end()});
  return ok_status();
}

// The command's own files, whatever stands before an input's name.
std::vector<std::string> files_read(const Flags& flags) {
  std::vector<std::string> files = {flags.model.weights};
  if (!train::is_builtin_model(flags.model.file)) files.push_back(flags.model.file);
  for (const std::string& input : flags.inputs) {
    files.push_back(input == "-" ? "/dev/stdin" : input);
    files.push_back(input.substr(input.find('=') + 1));
  }
  return files;
}

int predict(const Flags& flags) {
  if (flags.top < 1) throw std::invalid_argument("--top: expected at least 1 class");
  const formats::ModelFile file = read_model(flags.model);
  require_weights(file, flags.model);
  if (!flags.output.empty()) require_apart(core::OutputFile(flags.output), files_read(flags));
  Predictor predictor(flags, file.model);
  Status status;
  if (file.model.input_names().size() > 1) {
    status = predict_several(flags.inputs, file.model, predictor);
  } else {
    for (const std::string& input : flags.inputs) {
      if (status.ok()) status = predict_file(input, file.model, predictor);
    }
  }
  if (status.ok()) status = predictor.finish();
  if (status.ok()) return 0;
  return fail(status.code() == StatusCode::kInvalidArgument ? 2 : 1, status.message());
}

}  // namespace

Command add_predict_command(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("predict", "Tells what a model makes of files");
  add_model_file(*command, flags->model);
  command
      ->add_option(
          "INPUT", flags->inputs,
          "numbers (.npy), images (IDX), tables (CSV), pictures (JPEG, PNG); - for "
          "records from standard input, each a line of numbers or a JSON array; of a model "
          "of several inputs NAME=FILE for each")
      ->required()
      ->type_name("INPUT ...");
  command
      ->add_option("--output", flags->output,
                   "all predictions: .npy, the numbers; .csv or .json, with names (otherwise lines "
                   "on standard output)")
      ->type_name("FILE");
  command->add_flag("--json", flags->json, "lines of JSON");
  add_value(*command, "--top", flags->top, "how many classes a line names")->type_name("NUMBER");
  add_preprocessing_flags(*command, flags->model);
  add_value(*command, "--batch-size", flags->batch_size, "records at once")->type_name("NUMBER");
  add_value(*command, "--threads", flags->threads, "that compute; 0: all cores")
      ->type_name("NUMBER");
  command->add_option("--device", flags->device, "what computes")
      ->type_name("auto|cpu|cuda|cuda:N")
      ->capture_default_str();
  command->footer(fmt::format(
      "What a dataset did to the records that the model was trained on is done to images, tables, "
      "pictures and lines, where the model's file says what that was; never to .npy.\n"
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
