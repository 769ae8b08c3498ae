#include "show/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/atomic_file.h"
#include "core/count_text.h"
#include "core/json_text.h"
#include "core/process_info.h"
#include "core/version.h"
#include "show/progress_view.h"
#include "show/traffic_text.h"

namespace sluice::show {
namespace {

using Json = nlohmann::ordered_json;

// Without an accuracy where there is none.
void put(Json& json, const std::string& prefix, const Metrics& metrics) {
  json[prefix + "loss"] = metrics.loss;
  if (!std::isnan(metrics.accuracy)) json[prefix + "accuracy"] = metrics.accuracy;
  for (const auto& [name, value] : metrics.values) json[prefix + name] = value;
  for (const ConfusionMatrix& matrix : metrics.matrices) {
    Json rows = Json::array();
    for (auto row = matrix.counts.begin(); row != matrix.counts.end(); row += matrix.classes) {
      rows.push_back(std::vector<int64_t>(row, row + matrix.classes));
    }
    json[prefix + matrix.name] = rows;
  }
}

Json epoch_json(const EpochHistory& entry, int epoch) {
  Json json = {{"epoch", epoch}};
  put(json, "", entry.train);
  if (entry.validation) put(json, "val_", *entry.validation);
  json["seconds"] = entry.seconds;
  if (entry.died) json["died"] = true;
  return json;
}

Json history_json(const std::vector<EpochHistory>& epochs) {
  Json history = Json::array();
  int epoch = 0;
  for (const EpochHistory& entry : epochs) history.push_back(epoch_json(entry, ++epoch));
  return history;
}

Json processes_json(const driver::WorkerReport& worker) {
  Json processes = Json::array();
  for (const auto& process : worker.processes) {
    processes.push_back(process.name + ": " + process.fate);
  }
  return processes;
}

Json traffic_json(const driver::WorkerReport& worker) {
  Json servers = Json::array();
  for (const wire::Traffic& its : worker.traffic) {
    servers.push_back({{"server", its.server},
                       {"way", to_string(its.path.way)},
                       {"hint", its.path.hint},
                       {"exchanges", its.exchanges},
                       {"seconds", its.seconds},
                       {"sent_bytes", its.sent_bytes},
                       {"received_bytes", its.received_bytes},
                       {"saved_bytes", its.saved_bytes}});
  }
  return servers;
}

Json workers_json(const driver::JobResult& result) {
  Json workers = Json::array();
  for (const driver::WorkerReport& worker : result.workers) {
    workers.push_back({{"worker", worker.worker},
                       {"updates", worker.updates},
                       {"samples", worker.samples},
                       {"leases", worker.leases},
                       {"times_slower", worker.times_slower},
                       {"pushes_given", worker.given},
                       {"processes", processes_json(worker)},
                       {"traffic", traffic_json(worker)},
                       {"peak_memory_bytes", worker.peak_memory_bytes}});
  }
  return workers;
}

Json servers_json(const driver::JobResult& result) {
  Json servers = Json::array();
  for (const driver::ServerReport& server : result.servers) {
    servers.push_back({{"address", server.address},
                       {"shards", server.shards},
                       {"update_seconds", server.update_seconds},
                       {"peak_memory_bytes", server.peak_memory_bytes}});
  }
  return servers;
}

// What the accuracy is of: those who asked for one dataset may have got another.
std::string test_set(const JobReport& report) {
  std::string asked = report.dataset_asked;
  std::replace(asked.begin(), asked.end(), '-', '_');
  const bool generated = report.dataset == "generated digits" && asked != "digits";
  return generated ? fmt::format("{}, since {} was not found", report.dataset, asked)
                   : "test set of " + report.dataset;
}

// A line for each class: how many of it were taken for which, and its name where it has one.
std::string table_of(const ConfusionMatrix& matrix, const std::vector<std::string>& names) {
  const auto classes = static_cast<size_t>(matrix.classes);
  size_t width = std::to_string(classes - 1).size();
  for (const int64_t count : matrix.counts) {
    width = std::max(width, core::with_separators(count).size());
  }
  std::string text =
      fmt::format("{} (a row for each class, a column for each prediction):\n", matrix.name);
  const size_t label = std::to_string(classes - 1).size();
  text += std::string(label + 2, ' ');
  for (size_t k = 0; k < classes; ++k) text += fmt::format(" {:>{}}", k, width);
  text += "\n";
  for (size_t row = 0; row < classes; ++row) {
    text += fmt::format("  {:>{}}", row, label);
    for (size_t k = 0; k < classes; ++k) {
      text +=
          fmt::format(" {:>{}}", core::with_separators(matrix.counts[row * classes + k]), width);
    }
    if (names.size() == classes) text += "  " + names[row];
    text += "\n";
  }
  return text;
}

std::string samples(int64_t count) { return core::counted(count, "sample", "samples"); }

std::string straggling(const driver::WorkerReport& worker) {
  if (worker.times_slower <= 1 && worker.given == 0) return "";
  std::string text = "  ";
  if (worker.times_slower > 1) {
    text += fmt::format("{:.1f} times slower than the others", worker.times_slower);
  }
  if (worker.given > 0) {
    text += fmt::format("{}{} of its leases made by others", worker.times_slower > 1 ? "; " : "",
                        core::counted(worker.given, "push", "pushes"));
  }
  return text + "\n";
}

Json moves_json(const driver::JobResult& result) {
  Json moves = Json::array();
  for (const driver::MoveReport& move : result.moves) {
    moves.push_back({{"at_s", move.at_s},
                     {"from", move.from},
                     {"to", move.to},
                     {"bytes", move.bytes},
                     {"held_s", move.held_s}});
  }
  return moves;
}

Json changes_json(const driver::JobResult& result) {
  Json changes = Json::array();
  for (const driver::ChangeReport& change : result.changes) {
    changes.push_back({{"at_s", change.at_s},
                       {"knob", change.knob},
                       {"from", change.from},
                       {"to", change.to},
                       {"by", change.by}});
  }
  return changes;
}

Json divergence_json(const Divergence& divergence) {
  Json json = Json::object();
  if (divergence.epoch > 0) json["epoch"] = divergence.epoch;
  json["loss"] = divergence.loss;
  if (divergence.chance) json["loss_of_guessing"] = divergence.chance->loss;
  json["what"] = divergence.what;
  json["remedy"] = divergence.remedy;
  return json;
}

Json gains_json(const driver::JobResult& result) {
  Json gains = Json::array();
  for (const driver::GainReport& change : result.gains) {
    gains.push_back({{"at_s", change.at_s},
                     {"workers", change.workers},
                     {"gain", change.gain},
                     {"scale", change.scale}});
  }
  return gains;
}

double samples_per_second(const driver::JobResult& result) {
  return static_cast<double>(result.samples_trained) / std::max(result.training_time_s, 1e-9);
}

}  // namespace

std::string to_json(const JobReport& report) {
  const driver::JobResult& result = report.result;
  Json json = Json::object();
  json["training_time_s"] = result.training_time_s;
  json["total_time_s"] = report.total_time_s;
  if (report.test) put(json, "test_", *report.test);
  if (!report.interrupted_by.empty()) json["interrupted_by"] = report.interrupted_by;
  if (report.divergence) json["died"] = divergence_json(*report.divergence);
  json["server_updates"] = result.server_updates;
  json["samples_trained"] = result.samples_trained;
  json["samples_per_second"] = samples_per_second(result);
  json["staleness"] = {{"mean", result.staleness_mean}, {"max", result.staleness_max}};
  json["duplicate_pushes"] = result.duplicate_pushes;
  json["superseded_updates"] = result.superseded_updates;
  json["superseded_samples"] = result.samples_superseded;
  json["fenced_pushes"] = result.fenced_pushes;
  json["parameters"] = report.parameters;
  json["dataset"] = report.dataset;
  json["workers"] = workers_json(result);
  json["servers"] = servers_json(result);
  json["driver"] = {{"peak_memory_bytes", core::peak_memory_bytes()}};
  json["history"] = history_json(report.history);
  if (!result.changes.empty()) json["changes"] = changes_json(result);
  if (!result.moves.empty()) json["moves"] = moves_json(result);
  if (!result.gains.empty()) json["gains"] = gains_json(result);
  json["config"] = core::parse_plain_json(report.config_json);
  json["model"] = core::parse_plain_json(report.model_json);
  json["versions"] = {{"sluice", core::version()}};
  for (const auto& [what, version] : report.versions) json["versions"][what] = version;
  json["versions"]["compiler"] = __VERSION__;
  return core::json_text(json, 2) + "\n";
}

std::string to_json_line(const EpochHistory& entry, int epoch) {
  return core::json_text(epoch_json(entry, epoch)) + "\n";
}

Status write_report(const JobReport& report, core::OutputFile& file) {
  const std::string json = to_json(report);
  return file.write({json}).with_context("the report");
}

std::string to_text(const JobReport& report) {
  const driver::JobResult& result = report.result;
  const auto rate = static_cast<int64_t>(samples_per_second(result));
  std::string text =
      fmt::format("Training time: {:.2f} s ({}, {} samples/s)\n", result.training_time_s,
                  samples(result.samples_trained), core::with_separators(rate));
  const std::string set = test_set(report), loss = format_loss(report.test->loss);
  if (std::isnan(report.test->accuracy)) {
    text += fmt::format("Loss: {} ({})\n", loss, set);
  } else {
    text += fmt::format("Accuracy: {:.4f} ({}, loss {})\n", report.test->accuracy, set, loss);
  }
  if (report.divergence) text += report.divergence->line() + "\n";
  for (const auto& [name, value] : report.test->values) {
    text += fmt::format("  {}: {}\n", name, format_loss(value));
  }
  for (const ConfusionMatrix& matrix : report.test->matrices) {
    text += table_of(matrix, report.class_names);
  }
  text += fmt::format("Number of parameter server updates: {}\n", result.server_updates);
  text += fmt::format("Staleness: mean {:.2f}, maximum {}\n", result.staleness_mean,
                      result.staleness_max);
  if (result.superseded_updates > 0) {
    text += fmt::format("Too late for their round, and dropped: {} updates of {} samples\n",
                        result.superseded_updates, result.samples_superseded);
  }
  for (const driver::WorkerReport& worker : result.workers) {
    text += fmt::format("Worker {}: {}, {}, {} lease(s), peak memory {} MB\n", worker.worker,
                        core::counted(worker.updates, "update", "updates"), samples(worker.samples),
                        worker.leases, worker.peak_memory_bytes >> 20);
    for (const std::string& line : traffic_lines(worker.traffic)) text += "  " + line + "\n";
    text += straggling(worker);
    for (const auto& process : worker.processes) {
      if (!process.left) text += fmt::format("  {}: {}\n", process.name, process.fate);
    }
  }
  return text;
}

}  // namespace sluice::show
