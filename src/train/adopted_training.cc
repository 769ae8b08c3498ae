#include "train/adopted_training.h"

#include <fmt/format.h>

#include <utility>

#include "core/log.h"
#include "nn/metrics.h"
#include "nn/model_impl.h"
#include "train/tasks.h"
#include "worker/update_rule.h"

namespace sluice::train {
namespace {

// What the job has against an optimizer, with this model; empty: nothing.
std::string problem_of(const OptimizerSpec& optimizer, const Model& model,
                       const JobConfig& config) {
  wire::TrainingSpec spec;
  spec.optimizer = optimizer;
  try {
    spec.trainer = algorithm_of(config);
    optim::validate(optimizer);
    (void)worker::update_rule_of(spec, model, model);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

}  // namespace

std::set<std::string> adopt_training(const Model& model, const std::set<std::string>& given,
                                     JobConfig& config) {
  std::set<std::string> adopted;
  const std::optional<nn::TrainingState>& own = model.impl().training;
  if (!own) return adopted;
  if (!given.contains("loss")) {
    config.loss = own->loss;
    config.losses = own->losses;
    config.loss_weights = own->loss_weights;
    adopted.insert("loss");
  }
  if (!given.contains("metrics") && !own->metrics.empty()) {
    config.metrics = fmt::format("{}", fmt::join(own->metrics, ", "));
    adopted.insert("metrics");
  }
  if (given.contains("optimizer")) return adopted;
  const std::string problem = problem_of(own->optimizer, model, config);
  if (problem.empty()) {
    config.optimizer = own->optimizer;
    adopted.insert("optimizer");
  } else {
    SLUICE_LOG(warn, "{} has the optimizer {}, which this job cannot have: {}; it is {} instead",
               config.model, own->optimizer.name, problem, config.optimizer.name);
  }
  return adopted;
}

std::vector<std::string> fitting_metrics(const Model& model, const data::RecordsInfo& info,
                                         Objective objective, const std::string& whose) {
  const std::vector<std::string> metrics = std::exchange(objective.metrics, {});
  for (const std::string& metric : metrics) {
    objective.metrics.push_back(metric);
    try {
      (void)tasks_of(model, info, objective);
    } catch (const InvalidField& error) {
      if (error.field != "metrics") throw;
      SLUICE_LOG(warn, "a metric of {} is left out: {}", whose, error.what_is_wrong);
      objective.metrics.pop_back();
    }
  }
  return objective.metrics;
}

void leave_out_unfit_metrics(const Model& model, const data::RecordsInfo& info, JobConfig& config) {
  const auto fit = fitting_metrics(model, info, objective_of(config), config.model);
  config.metrics = fmt::format("{}", fmt::join(fit, ", "));
}

}  // namespace sluice::train
