// Model::fit(): training in this process, without any server.
#include <algorithm>
#include <utility>

#include "core/cores.h"
#include "core/parameter_set.h"
#include "data/partition.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "show/progress_view.h"
#include "sluice/dataset.h"
#include "sluice/model.h"
#include "train/chance_level.h"
#include "train/evaluation.h"
#include "train/fits.h"
#include "train/inference.h"
#include "train/logits.h"
#include "train/scaling.h"
#include "train/validate.h"
#include "worker/partition_batches.h"

namespace sluice {
namespace {

core::TimePoint now() { return std::chrono::steady_clock::now(); }

// With which the model goes on, or a new one.
OptimizerSpec optimizer_of(const FitOptions& options, const Model& model) {
  if (options.optimizer) return *options.optimizer;
  return model.impl().training ? model.impl().training->optimizer : OptimizerSpec("adam");
}

backend::ReplicaOptions replica_options(const FitOptions& options, const Model& model) {
  backend::ReplicaOptions result;
  result.batch_size = options.batch_size;
  result.threads = options.threads > 0 ? options.threads : core::available_cores();
  result.precision = backend::parse_precision(options.precision);
  result.deterministic = options.deterministic;
  result.optimizer = optimizer_of(options, model);
  result.undecayed = nn::undecayed_ranges(model, *result.optimizer);
  return result;
}

// In one process nothing but the learning rate is to blame.
show::Strides strides_of(const OptimizerSpec& optimizer) {
  const LearningRate& rate = optimizer.learning_rate;
  show::Strides strides;
  if (rate.schedule.empty()) strides.learning_rate = rate.number;
  return strides;
}

// A device is not waited for more often than the bar is drawn.
constexpr core::Duration kShowEvery = std::chrono::milliseconds(50);

// One of `epochs` passes over the batches; tells `view` how far it is.
backend::StepMetrics train_epoch(backend::Replica& replica, data::BatchSource& batches, int epoch,
                                 int epochs, int64_t records, const train::Measures& measures,
                                 show::ProgressView& view) {
  backend::StepMetrics sums;
  const int64_t per_epoch = batches.batches() / epochs;
  const int64_t end = (epoch + 1) * per_epoch;
  core::TimePoint shown = now();
  for (int64_t step = epoch * per_epoch; step < end; ++step) {
    replica.start_step(worker::make_batch(replica, batches, step));
    if (step + 1 < end && now() - shown < kShowEvery) continue;
    shown = now();
    sums += replica.take_metrics();
    view.update(epoch, sums.samples, epoch * records + sums.samples, measures.of(sums), shown);
  }
  return sums;
}

}  // namespace

std::vector<EpochHistory> Model::fit(const Dataset& dataset, const FitOptions& asked) {
  train::validate(asked);
  FitOptions options = asked;
  const train::Objective objective = train::objective_of(options, *this);
  const auto tasks = train::tasks_of(*this, dataset.records()->info(), objective);
  train::check_fits(*this, dataset.records()->info(), tasks);
  train::warn_of_logits(*this, tasks);
  train::warn_of_scaling(*this, dataset.records()->info());
  auto training = dataset.records();
  std::shared_ptr<const data::Records> validation;
  if (options.validation_split > 0) {
    const auto parts = train::split_for_validation(dataset, options.validation_split);
    training = parts.first.records();
    validation = parts.second.records();
  }
  if (const auto weights = train::class_weights(options.class_weight, training->info());
      !weights.empty()) {
    training = training->with_class_weights(weights);
  }
  // As in Keras: fewer records than a batch has are one batch.
  options.batch_size = std::min(options.batch_size, training->info().records);
  // The one partition of a distributed job with one worker: the same batches in the same order.
  const auto shuffle = options.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone;
  const data::Partitioning whole(training->info().records, 1, options.seed, shuffle);
  const int64_t records = training->info().records;
  worker::PartitionBatches batches(
      worker::PartitionData(training, whole.records(0)),
      data::BatchPlan(0, records, options.batch_size, options.epochs, options.seed, shuffle));
  const auto backend =
      train::open_backend_or_throw(train::device_options(options.device, options.gpu_memory_mib));
  backend::Graph graph = nn::lower(*this, nn::parse_tasks(tasks));
  graph.weighted = training->weighted();
  const backend::ReplicaOptions compiled = replica_options(options, *this);
  const auto replica = backend->compile(graph, compiled);
  const train::Measures measures(*this, replica->graph());
  const auto initial = std::as_const(*this).parameters().values();
  std::copy(initial.begin(), initial.end(), replica->parameters().begin());
  replica->parameters_changed();
  if (!options.optimizer && impl_->training) {
    replica->restore_optimizer(impl_->training->optimizer_state);
  }
  std::optional<train::Evaluator> evaluator;
  if (validation) {
    evaluator.emplace(*this, tasks,
                      EvaluateOptions{.threads = options.threads,
                                      .device = options.device,
                                      .gpu_memory_mib = options.gpu_memory_mib},
                      validation->weighted());
  }
  show::ProgressView view(show::ProgressView::style_for(options.verbose), options.epochs,
                          training->info().records, now());
  show::DivergenceWatch watch(
      train::chance_level(graph, *training,
                          train::class_weights(options.class_weight, training->info())),
      strides_of(*compiled.optimizer));
  std::vector<EpochHistory> history;
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const auto begin = now();
    const auto sums =
        train_epoch(*replica, batches, epoch, options.epochs, records, measures, view);
    EpochHistory entry;
    entry.train = measures.of(sums);
    if (evaluator) entry.validation = evaluator->evaluate(replica->parameters(), *validation);
    entry.seconds = core::to_seconds(now() - begin);
    entry.died = watch.is_dead(epoch + 1, entry.train);
    view.epoch_end(epoch, entry.train, entry.validation, now());
    if (const auto died = watch.ended(epoch + 1, entry.train)) view.warn(died->line());
    history.push_back(std::move(entry));
  }
  replica->adopt_averages();
  const auto trained = replica->parameters();
  std::copy(trained.begin(), trained.end(), parameters().values().begin());
  impl_->training = {*compiled.optimizer,    objective.loss,    objective.losses,
                     objective.loss_weights, objective.metrics, replica->optimizer_state()};
  impl_->preprocessing = data::preprocessing_of(dataset.records()->info());
  return history;
}

}  // namespace sluice
