#include "formats/keras_training.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/json_text.h"
#include "core/log.h"
#include "loss/loss_json.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "optim/call_text.h"
#include "optim/lower_case.h"
#include "optim/optimizer.h"
#include "optim/optimizer_json.h"

namespace sluice::formats {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUndecayed = "exclude_from_weight_decay";

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string text_at(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// Keras 2.11 and later: "Custom>Adam". A function of Keras 3: its name.
Json without_package(const Json& json) {
  Json plain = json;
  if (text_at(json, "class_name") == "function" && text_at(json, "module") == "builtins" &&
      member(json, "config").is_string()) {
    return json["config"];
  }
  const std::string name = text_at(json, "class_name");
  if (name.starts_with("Custom>")) plain["class_name"] = name.substr(7);
  // Somebody's own class may be named as one of Keras'.
  if (text_at(json, "registered_name").find('>') != std::string::npos && !name.empty() &&
      !text_at(json, "registered_name").starts_with("keras")) {
    throw std::invalid_argument(
        fmt::format("\"{}\" is somebody's own", text_at(json, "registered_name")));
  }
  return plain;
}

// Around the optimizer where a policy of types has float16.
Json without_loss_scale(const Json& json) {
  const Json& inner = member(member(json, "config"), "inner_optimizer");
  return text_at(json, "class_name") == "LossScaleOptimizer" && inner.is_object() ? inner : json;
}

OptimizerSpec read_optimizer(const Json& written) {
  const Json json = without_loss_scale(written);
  OptimizerSpec optimizer;
  from_json(without_package(json), optimizer);
  if (const Json& names = member(json, kUndecayed); names.is_array()) {
    for (const Json& name : names) {
      if (name.is_string()) optimizer.exclude_from_weight_decay.push_back(name);
    }
  }
  optim::validate(optimizer);
  return optimizer;
}

LossSpec read_loss(const Json& json) {
  LossSpec loss;
  from_json(without_package(json), loss);
  return loss;
}

bool is_one(const Json& json) { return json.is_string() || json.contains("class_name"); }

// What Keras calls the outputs: by the keys where the model gives a dictionary, else by layers.
std::vector<std::string> keys_of_outputs(const Model& model) {
  const std::vector<std::string>& keys = model.impl().output_keys;
  return keys.empty() ? model.output_names() : keys;
}

// Those of each output: from a list in their order, or from an object by their names.
std::vector<std::pair<std::string, Json>> by_output(const Json& json, const Model& model,
                                                    const char* what) {
  const std::vector<std::string> names = model.output_names();
  const std::vector<std::string> keys = keys_of_outputs(model);
  std::vector<std::pair<std::string, Json>> values;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      const auto found = std::ranges::find(keys, key);
      if (found == keys.end()) {
        throw std::invalid_argument(
            fmt::format("{} of an output \"{}\", which the model does not have", what, key));
      }
      values.emplace_back(names[static_cast<size_t>(found - keys.begin())], value);
    }
    return values;
  }
  if (!json.is_array() || json.size() != names.size()) {
    throw std::invalid_argument(
        fmt::format("{} of {} outputs, got {}", what, names.size(), core::shown(json)));
  }
  for (size_t k = 0; k < names.size(); ++k) values.emplace_back(names[k], json[k]);
  return values;
}

void read_losses(const Json& json, const Model& model, nn::TrainingState& training) {
  if (is_one(json)) {
    training.loss = read_loss(json);
    return;
  }
  for (const auto& [name, loss] : by_output(json, model, "losses")) {
    if (loss.is_null()) {
      throw std::invalid_argument(fmt::format("no loss of the output \"{}\"", name));
    }
    training.losses.emplace(name, read_loss(loss));
  }
  if (training.losses.empty()) throw std::invalid_argument("no loss of any output");
  if (model.output_names().size() > 1) return;
  training.loss = training.losses.begin()->second;
  training.losses.clear();
}

void read_loss_weights(const Json& json, const Model& model, nn::TrainingState& training) {
  if (json.is_null()) return;
  // Of one output a number alone, too.
  for (const auto& [name, weight] :
       by_output(json.is_number() ? Json::array({json}) : json, model, "loss_weights")) {
    if (!weight.is_number()) {
      throw std::invalid_argument(
          fmt::format("loss_weights: expected numbers, got {}", core::shown(weight)));
    }
    training.loss_weights[name] = weight.get<double>();
  }
}

// Keras 2 wraps functions: {"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "fn":
// "sparse_categorical_accuracy"}}.
std::string metric_text(const Json& json) {
  const Json plain = without_package(json);
  if (plain.is_string()) return plain.get<std::string>();
  if (text_at(plain, "class_name") != "MeanMetricWrapper") return optim::call_text(plain);
  const Json& config = member(plain, "config");
  const std::string name = text_at(config, "name"), function = text_at(config, "fn");
  if (name == "accuracy" || name == "acc" || function.empty()) return name;
  return function == name || name.empty() ? function : fmt::format("{}(name={})", function, name);
}

// One or a list of them, also in a list around it.
void add_metrics(const Json& json, const std::string& prefix, std::vector<std::string>& metrics) {
  if (json.is_null()) return;
  if (json.is_array()) {
    for (const Json& one : json) add_metrics(one, prefix, metrics);
    return;
  }
  try {
    const std::string text = metric_text(json);
    if (text == "loss") return;  // which Keras 2 lists among them
    (void)nn::parse_metric(text);
    metrics.push_back(prefix + text);
  } catch (const std::invalid_argument& error) {
    SLUICE_LOG(warn, "a metric of the model's file is left out: {}", error.what());
  }
}

void read_metrics(const Json& json, const Model& model, nn::TrainingState& training) {
  const size_t outputs = model.output_names().size();
  const bool is_list_of_each =
      json.is_array() && json.size() == outputs && std::ranges::any_of(json, &Json::is_array);
  if (json.is_null() || is_one(json) || (json.is_array() && !is_list_of_each) || outputs == 1) {
    if (json.is_object() && !is_one(json)) {
      for (const auto& [name, own] : json.items()) add_metrics(own, "", training.metrics);
    } else {
      add_metrics(json, "", training.metrics);
    }
    return;
  }
  for (const auto& [name, own] : by_output(json, model, "metrics")) {
    add_metrics(own, name + ":", training.metrics);
  }
}

// --- Writing ---

Json object(const char* module, const Json& of_class) {
  return {{"module", module},
          {"class_name", of_class["class_name"]},
          {"config", of_class["config"]},
          {"registered_name", nullptr}};
}

Json written_optimizer(const OptimizerSpec& spec) {
  OptimizerSpec of_keras = spec;
  of_keras.exclude_from_weight_decay.clear();
  Json json;
  to_json(json, of_keras);
  json = object("keras.optimizers", json);
  // Keras passes over what stands here; in its config it would not.
  if (!spec.exclude_from_weight_decay.empty()) json[kUndecayed] = spec.exclude_from_weight_decay;
  return json;
}

Json written_loss(const LossSpec& loss) {
  Json json;
  to_json(json, loss);
  return json.is_object() ? object("keras.losses", json) : json;
}

// A list with something for each output, as the model gives them.
Json for_outputs(Json list, const Model& model) {
  const std::vector<std::string>& keys = model.impl().output_keys;
  if (keys.empty()) return list.size() == 1 ? list.front() : list;
  Json dictionary = Json::object();
  for (size_t i = 0; i < keys.size(); ++i) dictionary[keys[i]] = std::move(list[i]);
  return dictionary;
}

Json written_losses(const nn::TrainingState& training, const Model& model) {
  Json list = Json::array();
  for (const std::string& name : model.output_names()) {
    const auto own = training.losses.find(name);
    list.push_back(written_loss(own == training.losses.end() ? training.loss : own->second));
  }
  return for_outputs(std::move(list), model);
}

Json written_weights(const nn::TrainingState& training, const Model& model) {
  if (training.loss_weights.empty()) return nullptr;
  Json list = Json::array();
  for (const std::string& name : model.output_names()) {
    const auto own = training.loss_weights.find(name);
    list.push_back(own == training.loss_weights.end() ? 1.0 : own->second);
  }
  return model.impl().output_keys.empty() ? list : for_outputs(std::move(list), model);
}

// By Keras' class, since names of functions are not the same in Keras 2 and 3; null where Keras has
// none.
Json written_metric(const std::string& text) {
  static constexpr const char* kClasses[] = {"BinaryAccuracy",
                                             "CategoricalAccuracy",
                                             "SparseCategoricalAccuracy",
                                             "TopKCategoricalAccuracy",
                                             "SparseTopKCategoricalAccuracy",
                                             "Precision",
                                             "Recall",
                                             "TruePositives",
                                             "FalsePositives",
                                             "TrueNegatives",
                                             "FalseNegatives",
                                             "AUC",
                                             "SensitivityAtSpecificity",
                                             "SpecificityAtSensitivity",
                                             "PrecisionAtRecall",
                                             "RecallAtPrecision",
                                             "F1Score",
                                             "FBetaScore",
                                             "BinaryIoU",
                                             "RootMeanSquaredError",
                                             "LogCoshError",
                                             "CosineSimilarity",
                                             "R2Score",
                                             "MeanSquaredError",
                                             "MeanAbsoluteError",
                                             "MeanAbsolutePercentageError",
                                             "MeanSquaredLogarithmicError",
                                             "KLDivergence",
                                             "Poisson",
                                             "Hinge",
                                             "SquaredHinge",
                                             "CategoricalHinge",
                                             "BinaryCrossentropy",
                                             "CategoricalCrossentropy",
                                             "SparseCategoricalCrossentropy"};
  const Json call = optim::parse_call(text);
  const std::string name =
      call.is_string() ? call.get<std::string>() : call["class_name"].get<std::string>();
  for (const char* known : {"accuracy", "acc", "mse", "mae", "mape", "msle"}) {
    if (name == known) return name;
  }
  for (const char* known : kClasses) {
    if (optim::without_case(known) != optim::without_case(name)) continue;
    Json config = call.is_string() ? Json::object() : call["config"];
    if (call.is_string()) config["name"] = name;
    return {{"module", "keras.metrics"},
            {"class_name", known},
            {"config", config},
            {"registered_name", nullptr}};
  }
  return nullptr;
}

Json written_metrics(const nn::TrainingState& training, const Model& model) {
  Json lists = Json::array();
  for (const std::string& output : model.output_names()) {
    Json own = Json::array();
    for (const std::string& text : training.metrics) {
      const nn::OutputMetric metric = nn::split_output(text);
      if (!metric.output.empty() && metric.output != output) continue;
      Json one = written_metric(metric.metric);
      if (!one.is_null()) own.push_back(std::move(one));
    }
    lists.push_back(std::move(own));
  }
  return for_outputs(std::move(lists), model);
}

}  // namespace

nn::TrainingState read_keras_training(const Json& config, const Model& model) {
  nn::TrainingState training;
  const Json& optimizer = member(config, "optimizer");
  const Json& legacy = member(config, "optimizer_config");
  try {
    training.optimizer = read_optimizer(optimizer.is_null() ? legacy : optimizer);
  } catch (const std::invalid_argument& error) {
    training.optimizer = "adam";
    SLUICE_LOG(warn, "the optimizer of the model's file is left out, and adam in its place: {}",
               error.what());
  }
  read_losses(member(config, "loss"), model, training);
  read_loss_weights(member(config, "loss_weights"), model, training);
  read_metrics(member(config, "metrics"), model, training);
  return training;
}

Json write_compile_config(const nn::TrainingState& training, const Model& model) {
  return {{"optimizer", written_optimizer(training.optimizer)},
          {"loss", written_losses(training, model)},
          {"loss_weights", written_weights(training, model)},
          {"metrics", written_metrics(training, model)},
          {"weighted_metrics", nullptr},
          {"run_eagerly", false},
          {"steps_per_execution", 1},
          {"jit_compile", false}};
}

Json write_training_config(const nn::TrainingState& training, const Model& model) {
  const OptimizerSpec& own = training.optimizer;
  if (own.use_ema || own.weight_decay > 0 || own.name == "adamw" || own.name == "lion") {
    return nullptr;
  }
  Json optimizer = written_optimizer(own);
  return {{"loss", written_losses(training, model)},
          {"metrics", written_metrics(training, model)},
          {"weighted_metrics", nullptr},
          {"loss_weights", written_weights(training, model)},
          {"optimizer_config", std::move(optimizer)}};
}

}  // namespace sluice::formats
