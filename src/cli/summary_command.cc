// `sluice summary`: what is in a model's file.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_flags.h"
#include "cli/training_text.h"
#include "core/count_text.h"
#include "core/json_text.h"
#include "core/printable.h"
#include "core/process_info.h"
#include "loss/loss_json.h"
#include "nn/model_impl.h"
#include "optim/optimizer_json.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

struct SummaryFlags {
  ModelFlags model;
  bool json = false;
};

struct Totals {
  size_t parameters = 0, trainable = 0;
  int64_t multiply_adds = 0;
  int64_t outputs = 0;  // floats that all layers give for a sample
};

Totals totals_of(const std::vector<LayerSummary>& layers) {
  Totals totals;
  for (const LayerSummary& layer : layers) {
    totals.parameters += layer.parameters;
    totals.trainable += layer.trainable_parameters;
    totals.multiply_adds += layer.multiply_adds;
    totals.outputs += layer.output_shape.size();
  }
  return totals;
}

std::string bytes_of(double floats) { return core::memory_text(floats * sizeof(float)); }

// A job leaves no optimizer's state, but says what its dataset did.
std::string text_of_training(const nn::TrainingState& training, size_t outputs, bool has_dataset) {
  const int64_t steps = training.optimizer_state.iterations;
  std::vector<std::string> losses;
  if (training.losses.size() < outputs) losses.push_back(text_of(training.loss));
  for (const auto& [output, loss] : training.losses) {
    losses.push_back(fmt::format("of {} {}", output, text_of(loss)));
  }
  std::string text =
      fmt::format(" {}: {}; loss {}", steps > 0 || has_dataset ? "Trained with" : "Compiled with",
                  text_of(training.optimizer), fmt::join(losses, ", "));
  if (!training.metrics.empty()) {
    text += fmt::format("; metrics {}", fmt::join(training.metrics, ", "));
  }
  if (steps > 0) {
    text += "; has the optimizer's state after " + core::counted(steps, "step", "steps");
  }
  return text + "\n";
}

std::string text_of_preprocessing(const Preprocessing& data) {
  std::string text = fmt::format(" Records: {}", data.sample_shape.to_string());
  if (!data.scale) text += ", scale unknown";
  if (data.scale.value_or(1) != 1) text += fmt::format(", values times {:g}", *data.scale);
  if (!data.columns.empty()) text += fmt::format("; columns {}", fmt::join(data.columns, ", "));
  if (!data.class_names.empty()) {
    text += fmt::format("; classes {}",
                        core::printable(fmt::format("{}", fmt::join(data.class_names, ", "))));
  }
  return text + "\n";
}

// "x [3, 64, 64], y [2]"
std::string text_of_values(const std::vector<std::string>& names,
                           const std::vector<Shape>& shapes) {
  std::vector<std::string> values;
  for (size_t i = 0; i < names.size(); ++i)
    values.push_back(names[i] + " " + shapes[i].to_string());
  return core::printable(fmt::format("{}", fmt::join(values, ", ")));
}

std::string text_of(const formats::ModelFile& file, const std::string& format) {
  const Totals totals = totals_of(file.model.layer_summaries());
  const Model& model = file.model;
  std::string text = model.summary();
  text += fmt::format(" Inputs: {}\n Outputs: {}\n",
                      text_of_values(model.input_names(), model.input_shapes()),
                      text_of_values(model.output_names(), model.output_shapes()));
  text +=
      fmt::format(" Multiply-adds: {} for a sample\n", core::with_separators(totals.multiply_adds));
  text += fmt::format(" Memory: {} of weights, {} of layers' outputs for a sample\n",
                      bytes_of(static_cast<double>(totals.parameters)),
                      bytes_of(static_cast<double>(totals.outputs)));
  const auto& data = model.preprocessing();
  if (const auto& training = model.impl().training) {
    text += text_of_training(*training, model.output_names().size(), data && data->scale);
  }
  if (data) text += text_of_preprocessing(*data);
  return text + fmt::format(" Format: {}\n", format);
}

Json shapes_json(const std::vector<std::string>& names, const std::vector<Shape>& shapes) {
  Json json = Json::array();
  for (size_t i = 0; i < names.size(); ++i) {
    json.push_back({{"name", names[i]}, {"shape", shapes[i].dims()}});
  }
  return json;
}

Json json_of(const formats::ModelFile& file, const std::string& format) {
  const Model& model = file.model;
  const std::vector<LayerSummary> layers = model.layer_summaries();
  const Totals totals = totals_of(layers);
  Json json = {{"name", model.name()},
               {"format", format},
               {"has_weights", file.has_weights},
               {"inputs", shapes_json(model.input_names(), model.input_shapes())},
               {"outputs", shapes_json(model.output_names(), model.output_shapes())},
               {"parameters", totals.parameters},
               {"trainable_parameters", totals.trainable},
               {"weight_bytes", totals.parameters * sizeof(float)},
               {"output_bytes", static_cast<size_t>(totals.outputs) * sizeof(float)},
               {"multiply_adds", totals.multiply_adds},
               {"layers", Json::array()}};
  for (const LayerSummary& layer : layers) {
    json["layers"].push_back({{"name", layer.name},
                              {"class_name", layer.class_name},
                              {"output_shape", layer.output_shape.dims()},
                              {"parameters", layer.parameters},
                              {"trainable_parameters", layer.trainable_parameters},
                              {"multiply_adds", layer.multiply_adds},
                              {"inbound_layers", layer.inbound_layers}});
  }
  if (const auto& training = model.impl().training) {
    json["optimizer"] = training->optimizer;
    json["loss"] = training->loss;
    json["metrics"] = training->metrics;
    json["steps"] = training->optimizer_state.iterations;
  }
  if (model.preprocessing())
    json["preprocessing"] = core::parse_plain_json(model.preprocessing()->to_json());
  return json;
}

int summarize(const SummaryFlags& flags) {
  const formats::ModelFile file = read_model(flags.model);
  const std::string format = format_of(file, flags.model);
  const std::string text =
      flags.json ? core::json_text(json_of(file, format), 2) + "\n" : text_of(file, format);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

Command add_summary_command(CLI::App& app) {
  auto flags = std::make_shared<SummaryFlags>();
  CLI::App* command = app.add_subcommand(
      "summary", "Tells what is in a model's file: layers, parameters, work, training, classes");
  add_model_file(*command, flags->model);
  command->add_flag("--json", flags->json, "as JSON");
  command->footer(fmt::format("Exit status: {}.", kExitStatus));
  return {command, [flags] { return summarize(*flags); }};
}

}  // namespace sluice::cli
