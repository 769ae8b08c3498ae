#include "sluice/trainer.h"

#include <fmt/format.h>

#include <stdexcept>

#include "core/log.h"
#include "core/process_info.h"
#include "launch/roles.h"
#include "launch/signals.h"
#include "sluice/errors.h"
#include "train/distributed_job.h"
#include "train/ensemble.h"
#include "train/validate.h"

namespace sluice {
namespace {

// Whether this process can be started again as a worker; set by init().
std::string g_program;

train::JobConfig to_config(const std::string& algorithm, const TrainerOptions& options) {
  train::JobConfig config;
  config.trainer = algorithm;
  config.optimizer = options.optimizer;
  config.loss = options.loss;
  config.class_weight = options.class_weight;
  config.losses = options.losses;
  config.loss_weights = options.loss_weights;
  config.metrics = fmt::format("{}", fmt::join(options.metrics, ","));
  config.workers = options.workers;
  config.servers = options.servers;
  config.shards = options.shards;
  config.compress_push = options.compress_push;
  config.compress_pull = options.compress_pull;
  config.parallelism_factor = options.parallelism_factor;
  config.batch_size = options.batch_size;
  if (options.window > 0) config.trainer_options["window"] = int64_t{options.window};
  if (options.overlap) config.trainer_options["overlap"] = true;
  for (const auto& [name, value] : options.hyperparameters) config.trainer_options[name] = value;
  if (options.max_staleness) {
    config.max_staleness = *options.max_staleness;
    if (config.max_staleness < 0) {  // which JobConfig takes for none
      throw std::invalid_argument(
          fmt::format("max_staleness: expected at least 0, got {}", config.max_staleness));
    }
  }
  config.epochs = options.epochs;
  config.seed = options.seed;
  config.shuffle = options.shuffle;
  config.validation_split = options.validation_split;
  config.threads_per_worker = options.threads_per_worker;
  config.device = options.device;
  config.gpu_memory = options.gpu_memory_mib;
  config.precision = options.precision;
  config.deterministic = options.deterministic;
  config.verbose = options.verbose;
  return config;
}

}  // namespace

void init(int argc, char** argv) {
  core::hold_standard_files();
  launch::run_if_child(argc, argv);
  g_program = argc > 0 ? argv[0] : "sluice program";
}

TrainingReport Trainer::train(Model& model, const Dataset& dataset) const {
  if (g_program.empty()) {
    throw std::logic_error(
        "call sluice::init(argc, argv) first in main(): train() starts this "
        "program again as its workers");
  }
  train::validate(options_);
  train::DistributedJob job;
  job.config = to_config(algorithm_, options_);
  job.program = g_program;
  job.keep_when_stopped = true;
  const launch::StopSignals signals;
  auto outcome = train::run_distributed(job, model, dataset, signals.token());
  if (outcome.ok() && !outcome->result.stopped.empty()) {
    // By a signal, by one that a server had, or by people: sluice ctl stop.
    const std::string by = signals.token().stop_requested() ? " by " + launch::StopSignals::name()
                                                            : ": " + outcome->result.stopped;
    throw Interrupted(
        fmt::format("training was interrupted{}; the model has what was learned until then", by),
        launch::StopSignals::signal());
  }
  if (!outcome.ok() && signals.token().stop_requested()) {
    throw Interrupted(fmt::format("training was interrupted by {} before anything was learned",
                                  launch::StopSignals::name()),
                      launch::StopSignals::signal());
  }
  if (!outcome.ok()) throw RuntimeError(outcome.status().message());
  const driver::JobResult& result = outcome->result;
  return {result.training_time_s,
          result.server_updates,
          result.samples_trained,
          result.staleness_mean,
          result.staleness_max,
          std::move(outcome->history),
          outcome->divergence ? outcome->divergence->line() : ""};
}

Model Ensemble::combine(const Model& model) const {
  const int64_t models = int64_t{options().workers} * options().parallelism_factor;
  return train::combine(model, models, options().seed);
}

}  // namespace sluice
