#include "train/tasks.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

#include "loss/traits.h"
#include "nn/metrics.h"
#include "train/job_config.h"

namespace sluice::train {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// Every name that is asked for is an output's.
template <typename Value>
void check_names(const char* field, const std::map<std::string, Value>& asked,
                 const std::vector<std::string>& names) {
  for (const auto& [name, value] : asked) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw InvalidField(
        field, fmt::format("the model has no output \"{}\"; it has {}", name, listed(names)));
  }
}

bool is_of_numbers(const LossSpec& loss) {
  return loss::traits_of(loss).predicts == loss::Predicts::kNumbers;
}

// Whether people are shown a number of each class, or of each two.
bool lists_classes(const backend::Metric& metric) {
  using Result = backend::Metric::Result;
  if (metric.result == Result::kMatrix) return true;
  return (metric.result == Result::kFScore || metric.result == Result::kR2) &&
         metric.average == backend::Metric::Average::kNone;
}

// What a metric cannot be of.
std::string misfit(const backend::Metric& metric, const LossSpec& loss, int64_t classes,
                   const data::RecordsInfo& info, bool is_only_output) {
  constexpr int64_t kMostListed = 256, kMostClasses = 10000;
  using Kind = backend::Counting::Kind;
  const bool numbers = is_of_numbers(loss) && !(is_only_output && info.classes > 0);
  if (numbers && backend::is_of_classes(metric)) return "is of classes, and these are numbers";
  if (loss::traits_of(loss).predicts == loss::Predicts::kEmbeddings) {
    return "compares outputs with targets, and these are embeddings";
  }
  const int64_t ids = metric.counting.kind == Kind::kOutcomes ? 2 : classes;
  for (const int64_t id : metric.class_ids) {
    if (id >= ids) return fmt::format("has the class {}, but there are {}", id, ids);
  }
  if (metric.counting.class_id >= std::max<int64_t>(classes, 1)) {
    return fmt::format("has class_id {}, but there are {} outputs", metric.counting.class_id,
                       classes);
  }
  if (metric.counting.top_k > classes) {
    return fmt::format("takes the top_k {} of a row, but there are {} outputs",
                       metric.counting.top_k, classes);
  }
  if (metric.classes > 0 && metric.classes != classes) {
    return fmt::format("has {} classes, but there are {} outputs", metric.classes, classes);
  }
  if (metric.result == backend::Metric::Result::kIntersectionOverUnion &&
      metric.counting.kind == Kind::kByClass && classes < 2) {
    return "is of several outputs; use binary_iou";
  }
  const int64_t most = lists_classes(metric) ? kMostListed : kMostClasses;
  if (classes > most &&
      backend::counters_of(metric, classes) > backend::counters_of(metric, most)) {
    return fmt::format("is of at most {} classes, and these are {}", most, classes);
  }
  return "";
}

}  // namespace

static int64_t classes_of(const Shape& output) {
  return output.rank() == 0 ? 1 : output.dims().back();
}

// What a metric's results are shown under: those of each class with its number.
static std::vector<std::string> shown_names(const std::string& name, size_t results) {
  if (results <= 1) return {name};
  std::vector<std::string> names;
  for (size_t i = 0; i < results; ++i) names.push_back(fmt::format("{}_{}", name, i));
  return names;
}

// The names that its metrics are shown under must be one for each, and none that an epoch has for
// something else in histories and reports.
static void check_shown(const nn::OutputTask& task, const Shape& shape) {
  std::set<std::string> shown;
  for (const std::string& text : task.metrics) {
    const backend::Metric metric = nn::parse_metric(text);
    const std::string& name = metric.name;
    if (name == "loss" || name == "epoch" || name == "seconds" || name.starts_with("val_")) {
      throw InvalidField("metrics", fmt::format("one is named \"{}\", as something else that is "
                                                "shown of an epoch; give it another name",
                                                name));
    }
    if (std::ranges::any_of(name, [](char c) { return c >= 0 && c < ' '; })) {
      throw InvalidField("metrics", "the name of one has control characters; leave them out");
    }
    const std::vector<double> counters(backend::counters_of(metric, classes_of(shape)));
    const size_t results = backend::results_of(metric, classes_of(shape), counters, 0).size();
    for (const std::string& each : shown_names(name, results)) {
      if (shown.insert(each).second) continue;
      throw InvalidField("metrics", fmt::format("two are named \"{}\"; give one another name, by "
                                                "name=OTHER in its brackets",
                                                each));
    }
  }
}

std::vector<nn::OutputTask> tasks_of(const Model& model, const data::RecordsInfo& info,
                                     const Objective& objective) {
  const std::vector<std::string> names = model.output_names();
  const std::vector<Shape> shapes = model.output_shapes();
  check_names("losses", objective.losses, names);
  check_names("loss_weights", objective.loss_weights, names);
  std::vector<nn::OutputTask> tasks;
  for (const std::string& name : names) {
    const auto loss = objective.losses.find(name);
    const auto weight = objective.loss_weights.find(name);
    nn::OutputTask& task = tasks.emplace_back();
    task.loss = loss == objective.losses.end() ? objective.loss : loss->second;
    if (const std::string wrong = check_loss(task.loss); !wrong.empty()) {
      throw InvalidField("losses", fmt::format("\"{}\": {}", name, wrong));
    }
    if (weight == objective.loss_weights.end()) continue;
    if (!std::isfinite(static_cast<float>(weight->second))) {
      throw InvalidField("loss_weights", fmt::format("\"{}\": expected a finite number, got {}",
                                                     name, weight->second));
    }
    task.weight = static_cast<float>(weight->second);
  }
  for (const std::string& text : objective.metrics) {
    const auto [output, metric] = nn::split_output(text);
    if (!output.empty()) check_names<int>("metrics", {{output, 0}}, names);
    for (size_t k = 0; k < names.size(); ++k) {
      if (!output.empty() && output != names[k]) continue;
      backend::Metric parsed;
      try {
        parsed = nn::parse_metric(metric);
      } catch (const std::invalid_argument& error) {
        throw InvalidField("metrics", without_name("metric", error.what()));
      }
      const int64_t classes = classes_of(shapes[k]);
      const std::string wrong = misfit(parsed, tasks[k].loss, classes, info, names.size() == 1);
      if (wrong.empty()) {
        tasks[k].metrics.push_back(metric);
      } else if (!backend::is_accuracy(parsed)) {
        throw InvalidField("metrics",
                           fmt::format("\"{}\" of the output \"{}\" {}", metric, names[k], wrong));
      }
    }
  }
  for (size_t k = 0; k < tasks.size(); ++k) check_shown(tasks[k], shapes[k]);
  return tasks;
}

Measures::Measures(const Model& model, const backend::Graph& graph) : counters_(graph.counters()) {
  const std::vector<std::string> names = model.output_names();
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const backend::GraphOutput& output = graph.outputs[k];
    outputs_.push_back({graph.outputs.size() > 1 ? names[k] + "_" : "", graph.classes(output),
                        graph.positions(output), output.metrics});
  }
}

Metrics Measures::of(int64_t samples, double loss_sum, std::span<const double> sums) const {
  std::vector<double> padded;  // where nothing was counted yet
  if (sums.size() < counters_) {
    padded.assign(sums.begin(), sums.end());
    padded.resize(counters_);
    sums = padded;
  }
  const auto n = static_cast<double>(std::max<int64_t>(samples, 1));
  Metrics metrics{loss_sum / n, std::numeric_limits<double>::quiet_NaN()};
  for (const Output& output : outputs_) {
    if (!output.prefix.empty()) {
      metrics.values.emplace_back(output.prefix + "loss", sums.front() / n);
      sums = sums.subspan(1);
    }
    for (const backend::Metric& metric : output.metrics) {
      const auto counters = sums.first(backend::counters_of(metric, output.classes));
      sums = sums.subspan(counters.size());
      const std::string name = output.prefix + metric.name;
      if (metric.result == backend::Metric::Result::kMatrix) {
        metrics.matrices.push_back(
            {name, std::max<int64_t>(output.classes, 2), {counters.begin(), counters.end()}});
        continue;
      }
      const std::vector<double> results = backend::results_of(
          metric, output.classes, counters, n * static_cast<double>(output.positions));
      if (name == "accuracy") {
        metrics.accuracy = results.front();
        continue;
      }
      const std::vector<std::string> shown = shown_names(name, results.size());
      for (size_t i = 0; i < results.size(); ++i) metrics.values.emplace_back(shown[i], results[i]);
    }
  }
  return metrics;
}

}  // namespace sluice::train
