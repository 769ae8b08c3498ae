#include "train/job_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "algorithm/options_json.h"
#include "backend/replica.h"
#include "compression/compression.h"
#include "core/cores.h"
#include "core/json_text.h"
#include "core/suggestion.h"
#include "loss/loss_json.h"
#include "loss/traits.h"
#include "nn/metrics.h"
#include "optim/call_text.h"
#include "optim/decimal.h"
#include "optim/optimizer.h"
#include "optim/optimizer_json.h"
#include "transport/grpc/socket_address.h"

namespace sluice::train {
namespace {

using Json = nlohmann::ordered_json;

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<std::string> field_names() {
  std::vector<std::string> names = {"trainer"};
  JobConfig config;
  visit_fields(config, [&](const char* name, auto&&...) { names.emplace_back(name); });
  for (const auto& option : algorithm::all_options()) names.emplace_back(option.spec.name);
  return names;
}

// Paths come from the file system, and need not be UTF-8.
std::string dump(const Json& json, int indent = -1) { return core::json_text(json, indent); }

[[noreturn]] void wrong_type(const std::string& name, const char* expected, const Json& value) {
  constexpr size_t kLongest = 80;
  std::string got = dump(value);
  if (got.size() > kLongest) got = got.substr(0, kLongest) + "...";
  throw std::invalid_argument(fmt::format("\"{}\": expected {}, got {}", name, expected, got));
}

// Whether `text` is nothing but a number, which is written to `number`.
template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

void read(const std::string& name, const Json& value, std::string& field) {
  if (!value.is_string()) wrong_type(name, "a string", value);
  field = value.get<std::string>();
}
void read(const std::string& name, const Json& value, bool& field) {
  if (!value.is_boolean()) wrong_type(name, "true or false", value);
  field = value.get<bool>();
}
void read(const std::string& name, const Json& value, double& field) {
  if (!value.is_number()) wrong_type(name, "a number", value);
  field = value.get<double>();
}
template <typename Int>
requires std::is_integral_v<Int>
void read(const std::string& name, const Json& value, Int& field) {
  if (!value.is_number_integer()) wrong_type(name, "a whole number", value);
  if constexpr (std::is_unsigned_v<Int>) {
    if (!value.is_number_unsigned()) wrong_type(name, "a number that is not negative", value);
  }
  const bool fits = value.is_number_unsigned() ? std::in_range<Int>(value.get<uint64_t>())
                                               : std::in_range<Int>(value.get<int64_t>());
  if (!fits) {
    throw std::invalid_argument(fmt::format("\"{}\": {} is out of range", name, dump(value)));
  }
  field = value.get<Int>();
}
void read(const std::string&, const Json& value, OptimizerSpec& field) { from_json(value, field); }
void read(const std::string&, const Json& value, LossSpec& field) { from_json(value, field); }

// One or a list of those that compile(metrics=...) of Keras takes: texts, and objects as Keras
// writes them. `prefix` is that of their output.
std::string joined_metrics(const std::string& name, const Json& value, const std::string& prefix) {
  std::string text;
  for (const Json& metric : value.is_array() ? value : Json::array({value})) {
    if (!metric.is_string() && !metric.is_object()) {
      wrong_type(name, "names of metrics, or objects as Keras writes them", value);
    }
    text += text.empty() ? "" : ", ";
    text += prefix + (metric.is_string() ? metric.get<std::string>() : optim::call_text(metric));
  }
  return text;
}
// Or those of each output, by its name.
std::string metrics_text(const std::string& name, const Json& value) {
  if (!value.is_object() || value.contains("class_name")) return joined_metrics(name, value, "");
  std::string text;
  for (const auto& [output, metrics] : value.items()) {
    const std::string own = joined_metrics(name, metrics, output + ":");
    text += (text.empty() || own.empty() ? "" : ", ") + own;
  }
  return text;
}

constexpr const char* kClassNumbers = "classes with names are numbered from 0 in sorted order";

// {"0": 1, "1": 2.5}, as Keras' class_weight.
void read(const std::string& name, const Json& value, std::map<int, float>& field) {
  constexpr const char* kExpected = R"(class numbers with their weights, such as {"1": 2.5})";
  if (!value.is_object()) wrong_type(name, kExpected, value);
  field.clear();
  for (const auto& [key, weight] : value.items()) {
    int number = 0;
    if (!weight.is_number()) wrong_type(name, kExpected, value);
    if (!read_number(key, number)) {
      throw std::invalid_argument(fmt::format("\"{}\": expected {}, got the class \"{}\"; {}", name,
                                              kExpected, key, kClassNumbers));
    }
    field[number] = static_cast<float>(weight.get<double>());
  }
}

void write(Json& json, const auto& value) { json = value; }
void write(Json& json, const std::map<int, float>& value) {
  json = Json::object();
  for (const auto& [number, weight] : value) {
    json[std::to_string(number)] = optim::decimal_of(weight);
  }
}

// Sets the option that `key` names, if some algorithm has it.
bool read_option(const std::string& key, const Json& value, JobConfig& config) {
  for (const auto& option : algorithm::all_options()) {
    if (underscored(key) != option.spec.name) continue;
    const bool is_name = std::holds_alternative<algorithm::Word>(option.spec.fallback);
    if (value.is_structured() || value.is_string() != is_name || value.is_null()) {
      wrong_type(key, algorithm::expected_type(option.spec.fallback), value);
    }
    config.trainer_options[option.spec.name] = algorithm::option_from_json(key, value);
    return true;
  }
  return false;
}

// What `parse`, which throws, has against a field's value; empty: nothing.
template <typename Parse>
std::string objection(const char* field, Parse parse) {
  try {
    parse();
    return "";
  } catch (const std::invalid_argument& error) {
    return without_name(field, error.what());
  }
}

}  // namespace

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  size_t begin = 0;
  for (size_t comma = text.find(','); comma != std::string::npos; comma = text.find(',', begin)) {
    parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string without_name(const std::string& field, const std::string& text) {
  if (text.starts_with(field + " ")) return text.substr(field.size() + 1);
  if (text.starts_with(field + ": ")) return text.substr(field.size() + 2);
  return text;
}

std::string check_loss(const LossSpec& value) {
  return objection("loss", [&] { loss::validate(value); });
}

std::string check_class_weight(const std::map<int, float>& value) {
  for (const auto& [number, weight] : value) {
    if (number >= 0 && std::isfinite(weight) && weight >= 0) continue;
    return fmt::format(
        "class {} with weight {}: classes count from 0, and weights are finite and "
        "at least 0",
        number, weight);
  }
  return "";
}

std::map<int, float> parse_class_weight(const std::string& text) {
  std::map<int, float> weights;
  for (const std::string& part : split_at_commas(text)) {
    const size_t colon = part.find(':');
    int number = 0;
    float weight = 0;
    const bool read = colon != std::string::npos && read_number(part.substr(0, colon), number) &&
                      read_number(part.substr(colon + 1), weight);
    if (!read || !weights.emplace(number, weight).second) {
      throw std::invalid_argument(
          fmt::format("expected each class by its number, once, with its weight, such as "
                      "0:1,1:2.5, got \"{}\"; {}",
                      text, kClassNumbers));
    }
  }
  return weights;
}

// Whether each is known; whether it fits, the model says. A prefix is an output's name.
std::string check_metrics(const std::string& value) {
  for (const std::string& text : nn::split_metrics(value)) {
    const std::string metric = nn::split_output(text).metric;
    const std::string wrong = objection("metric", [&] { (void)nn::parse_metric(metric); });
    if (!wrong.empty()) return wrong;
  }
  return "";
}

Objective objective_of(const JobConfig& config) {
  return {config.loss, config.losses, config.loss_weights, nn::split_metrics(config.metrics)};
}

std::string check_learning_rate(const double& value) {
  const auto rate = static_cast<float>(value);
  const bool right = value == 0 || (std::isfinite(rate) && rate > 0);
  if (right) return "";
  return fmt::format("expected a positive number, or 0 for the default, got {}", value);
}

float parse_scale(const std::string& text) {
  const size_t slash = text.find('/');
  float scale = 0, divisor = 1;
  const bool read = read_number(text.substr(0, slash), scale) &&
                    (slash == std::string::npos || read_number(text.substr(slash + 1), divisor));
  scale /= divisor;
  if (read && std::isfinite(scale) && scale > 0) return scale;
  throw std::invalid_argument(
      fmt::format("expected a finite number above 0, such as 1/255, got \"{}\"", text));
}

std::string check_scale(const std::string& value) {
  return value.empty() ? "" : objection("scale", [&] { (void)parse_scale(value); });
}

std::string check_fraction(const double& value) {
  if (value >= 0 && value < 1) return "";
  return fmt::format("expected a fraction of at least 0 and below 1, got {}", value);
}

// Longer ones would overflow where they are added up.
std::string check_seconds(const double& value) {
  if (value >= 0.1 && value <= 1e9) return "";
  return fmt::format("expected 0.1 to 1e9 seconds, got {}", value);
}

// A first step compiles, and takes longer than those behind it.
std::string check_stall_seconds(const double& value) {
  if (value >= 1 && value <= 1e9) return "";
  return fmt::format("expected 1 to 1e9 seconds, got {}", value);
}

std::string check_members(const int& value) {
  constexpr int kMost = 1 << 16;  // more than any job has, and few enough to be added up
  if (value >= 1 && value <= kMost) return "";
  return fmt::format("expected 1 to {}, got {}", kMost, value);
}

std::string check_device(const std::string& value) {
  return without_name("device", backend::check_device_name(value).message());
}

std::string check_precision(const std::string& value) {
  return objection("precision", [&] { (void)backend::parse_precision(value); });
}

std::string check_compression(const std::string& value) {
  return without_name("compression", compression::Compression::parse(value).status().message());
}

std::string check_address(const std::string& value) {
  return value.empty() ? "" : transport::parse_address(value).status().message();
}

std::string check_threads(const int& value) {
  if (value >= 0 && value <= 256) return "";
  return fmt::format("expected 0 (as many as there are cores) to 256, got {}", value);
}

std::string check_gpu_memory(const int64_t& mib) {
  if (mib >= 0 && mib <= (int64_t{1} << 30)) return "";
  return fmt::format("expected 0 (no bound) to 2^30 MiB, got {}", mib);
}

std::string check_columns(const std::string& value) {
  const auto names = split_at_commas(value);
  if (std::ranges::find(names, "") == names.end()) return "";
  return fmt::format("expected names of columns, separated by commas, got \"{}\"", value);
}

std::string check_verbose(const int& value) {
  return value >= 0 && value <= 2 ? "" : fmt::format("expected 0, 1 or 2, got {}", value);
}

std::string to_json(const JobConfig& config) {
  Json json = Json::object();
  visit_fields(config, [&](const char* name, const auto& field, auto&&...) {
    if (std::string_view(name) == "optimizer") {  // the algorithm comes before it
      json["trainer"] = config.trainer;
      json.update(algorithm::to_json(algorithm_of(config).options));
    }
    write(json[name], field);
  });
  return dump(json, 2);
}

std::set<std::string> merge_json(const std::string& text, JobConfig& config) {
  const Json json = core::parse_json(text);
  if (!json.is_object()) throw std::invalid_argument("expected a JSON object with the job's flags");
  if (json.contains("class_name")) {
    throw std::invalid_argument("this is a model, not a job: give it to --model");
  }
  if (json.contains("config") && json.contains("server_updates")) {
    throw std::invalid_argument("this is a report, not a job: its \"config\" is the job");
  }
  std::set<std::string> names, unread;
  for (const auto& [key, value] : json.items()) {
    if (!names.insert(underscored(key)).second) {
      throw std::invalid_argument(
          fmt::format("\"{}\" is there twice, with '-' and with '_': leave one of them out", key));
    }
    unread.insert(key);
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "trainer") {
      read(key, value, config.trainer);
    } else if (!read_option(key, value, config)) {
      continue;
    }
    unread.erase(key);
  }
  visit_fields(config, [&](const char* name, auto& field, auto&&...) {
    for (const auto& [key, value] : json.items()) {
      if (underscored(key) != name) continue;
      if (std::string_view(name) == "metrics") {
        read(key, metrics_text(key, value), field);
      } else if (std::string_view(name) == "scale" && value.is_number()) {
        read(key, dump(value), field);
      } else {
        read(key, value, field);
      }
      unread.erase(key);
    }
  });
  if (!unread.empty()) {
    const std::string meant = core::nearest(underscored(*unread.begin()), field_names());
    throw std::invalid_argument(
        fmt::format("unknown name \"{}\"{}", *unread.begin(),
                    meant.empty() ? "" : fmt::format(": did you mean \"{}\"?", meant)));
  }
  return names;
}

void validate(const JobConfig& config) {
  visit_fields(config, [](const char* name, const auto& field, const Help&, const auto& check) {
    const std::string wrong = check(field);
    if (!wrong.empty()) throw InvalidField(name, wrong);
  });
  const algorithm::Choice choice = algorithm_of(config);
  const std::string wrong = objection("optimizer", [&] {
    optim::validate(effective_optimizer(config));
    (void)choice.worker_optimizer(effective_optimizer(config));
  });
  if (!wrong.empty()) throw InvalidField("optimizer", wrong);
  const int most = choice.algorithm->most_workers;
  if (most > 0 && config.workers > most) {
    throw InvalidField("workers", fmt::format("{} trains with {} worker, got {}", choice.name(),
                                              most, config.workers));
  }
  if (choice.algorithm->rounds && config.max_staleness >= 0) {
    throw InvalidField("max_staleness",
                       fmt::format("{} trains in rounds, all workers of which wait for each other",
                                   choice.name()));
  }
  if (choice.options.has("backup_workers")) {
    const int64_t backups = choice.options.whole("backup_workers");
    if (backups > 0 && backups >= config.workers) {
      throw InvalidField("backup_workers",
                         fmt::format("a round waits for the other workers: expected less than the "
                                     "{} worker(s) of the job, got {}",
                                     config.workers, backups));
    }
  }
  if (config.min_workers > config.workers) {
    throw InvalidField("min_workers", fmt::format("expected at most the {} worker(s) of the job, "
                                                  "got {}",
                                                  config.workers, config.min_workers));
  }
  if (config.max_workers != 0 && config.max_workers < config.workers) {
    throw InvalidField("max_workers", fmt::format("expected 0 or at least the {} worker(s) of the "
                                                  "job, got {}",
                                                  config.workers, config.max_workers));
  }
}

// Of an option that this trainer does not have.
static std::string of_others(const std::string& name, const std::string& trainer) {
  for (const auto& option : algorithm::all_options()) {
    if (name != option.spec.name) continue;
    return fmt::format("{} has no such option; these trainers do: {}", trainer,
                       fmt::join(option.algorithms, ", "));
  }
  return "no trainer has such an option";
}

// What somebody may have meant by this trainer's name: one that it has elsewhere, without the
// "Trainer" of Dist-Keras' classes, or misspelt.
static std::string trainer_meant(std::string name, const std::vector<std::string>& names) {
  static const std::map<std::string, std::string> kElsewhere = {
      {"fedavg", "local_sgd"}, {"fed_avg", "local_sgd"}, {"easgd", "aeasgd"},
      {"fedadam", "fedopt"},   {"fedyogi", "fedopt"},    {"fedadagrad", "fedopt"},
      {"sync", "synchronous"}, {"async", "async_sgd"}};
  constexpr std::string_view kTrainer = "trainer";
  if (name.ends_with(kTrainer)) name.resize(name.size() - kTrainer.size());
  if (name.ends_with("_")) name.pop_back();
  if (const auto known = kElsewhere.find(name); known != kElsewhere.end()) return known->second;
  return core::nearest(name, names);
}

algorithm::Choice algorithm_of(const JobConfig& config) {
  const auto names = algorithm::algorithm_names();
  const std::string lower = algorithm::normalized_name(config.trainer);
  if (std::find(names.begin(), names.end(), lower) == names.end()) {
    const std::string meant = trainer_meant(lower, names);
    throw InvalidField(
        "trainer", fmt::format("unknown trainer \"{}\": {}", config.trainer,
                               meant.empty() ? fmt::format("use one of {}", fmt::join(names, ", "))
                                             : fmt::format("did you mean {}?", meant)));
  }
  algorithm::Choice choice(config.trainer);
  for (const auto& [name, value] : config.trainer_options) {
    if (!choice.options.has(name)) throw InvalidField(name, of_others(name, choice.name()));
    try {
      choice.set(name, value);
    } catch (const std::invalid_argument& error) {
      const std::string text = error.what();
      throw InvalidField(name, text.substr(text.find(": ") + 2));
    }
  }
  return choice;
}

std::vector<std::string> ignored_columns(const JobConfig& config) {
  return split_at_commas(config.ignore);
}

OptimizerSpec effective_optimizer(const JobConfig& config) {
  OptimizerSpec optimizer = config.optimizer;
  // Nobody asked for another than the default, with which this trainer could not begin.
  const char* own = algorithm_of(config).algorithm->optimizer;
  if (own != nullptr && optimizer == JobConfig().optimizer) optimizer = OptimizerSpec(own);
  if (config.learning_rate > 0) optimizer.learning_rate = config.learning_rate;
  return optimizer;
}

int effective_threads_per_worker(const JobConfig& config) {
  if (config.threads_per_worker > 0) return config.threads_per_worker;
  return std::max(core::available_cores() / std::max(config.workers, 1), 1);
}

}  // namespace sluice::train
