// `sluice summary`: what is in a model's file.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_flags.h"
#include "core/count_text.h"
#include "core/json_text.h"
#include "core/process_info.h"
#include "loss/loss_json.h"
#include "nn/model_impl.h"
#include "optim/optimizer_json.h"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
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

std::string text_of_training(const nn::TrainingState& training) {
  std::string text =
      fmt::format(" Trained with {}, {}", training.optimizer.name, training.loss.name());
  if (!training.metrics.empty()) text += fmt::format(", {}", fmt::join(training.metrics, ", "));
  if (const int64_t steps = training.optimizer_state.iterations; steps > 0) {
    text += "; has the optimizer's state after " + core::counted(steps, "step", "steps");
  }
  return text + "\n";
}

std::string text_of_preprocessing(const Preprocessing& data) {
  std::string text = fmt::format(" Records: {}", data.sample_shape.to_string());
  if (data.scale != 1) text += fmt::format(", values times {:g}", data.scale);
  if (!data.columns.empty()) text += fmt::format("; columns {}", fmt::join(data.columns, ", "));
  if (!data.class_names.empty()) {
    text += fmt::format("; classes {}", fmt::join(data.class_names, ", "));
  }
  return text + "\n";
}

std::string text_of(const formats::ModelFile& file) {
  const Totals totals = totals_of(file.model.layer_summaries());
  std::string text = file.model.summary();
  text +=
      fmt::format(" Multiply-adds: {} for a sample\n", core::with_separators(totals.multiply_adds));
  text += fmt::format(" Memory: {} of weights, {} of layers' outputs for a sample\n",
                      bytes_of(static_cast<double>(totals.parameters)),
                      bytes_of(static_cast<double>(totals.outputs)));
  if (const auto& training = file.model.impl().training) text += text_of_training(*training);
  if (const auto& data = file.model.preprocessing()) text += text_of_preprocessing(*data);
  text += fmt::format(" Format: {}\n", formats::name_of(file.format));
  return text;
}

Json shapes_json(const std::vector<std::string>& names, const std::vector<Shape>& shapes) {
  Json json = Json::array();
  for (size_t i = 0; i < names.size(); ++i) {
    json.push_back({{"name", names[i]}, {"shape", shapes[i].dims()}});
  }
  return json;
}

Json json_of(const formats::ModelFile& file) {
  const Model& model = file.model;
  const std::vector<LayerSummary> layers = model.layer_summaries();
  const Totals totals = totals_of(layers);
  Json json = {{"name", model.name()},
               {"format", formats::name_of(file.format)},
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
                              {"multiply_adds", layer.multiply_adds}});
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

int summarize(const Flags& flags) {
  const formats::ModelFile file = read_model(flags.model);
  const std::string text = flags.json ? core::json_text(json_of(file), 2) + "\n" : text_of(file);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

Command add_summary_command(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "summary", "Tells what is in a model's file: layers, parameters, work, training, classes");
  add_model_file(*command, flags->model);
  command->add_flag("--json", flags->json, "as JSON");
  command->footer(fmt::format("Exit status: {}.", kExitStatus));
  return {command, [flags] { return summarize(*flags); }};
}

}  // namespace sluice::cli
