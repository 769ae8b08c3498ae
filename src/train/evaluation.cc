#include "train/evaluation.h"

#include <algorithm>

#include "core/parameter_set.h"
#include "nn/model_impl.h"
#include "show/record_counter.h"
#include "sluice/dataset.h"
#include "train/fits.h"
#include "train/inference.h"
#include "train/logits.h"
#include "train/scaling.h"
#include "train/validate.h"
#include "worker/partition_batches.h"

namespace sluice::train {
namespace {

backend::StepMetrics evaluate_with(backend::Replica& replica, const data::Records& records,
                                   int64_t batch_size, bool shown = false) {
  show::RecordCounter counter(records.info().records, shown);
  backend::StepMetrics sums;
  data::InOrderBatches batches(records, batch_size);
  for (int64_t batch = 0; batch < batches.batches(); ++batch) {
    const backend::StepMetrics more = replica.evaluate(worker::make_batch(replica, batches, batch));
    sums += more;
    counter.add(more.samples);
  }
  return sums;
}

}  // namespace

Evaluator::Evaluator(const Model& model, const std::vector<nn::OutputTask>& tasks,
                     const EvaluateOptions& options, bool weighted)
    : batch_size_(options.batch_size),
      replica_(compile_for_inference(model, key_of(options, nn::parse_tasks(tasks), weighted))),
      measures_(model, replica_->graph()) {}

Metrics Evaluator::evaluate(std::span<const float> parameters, const data::Records& records) {
  std::copy(parameters.begin(), parameters.end(), replica_->parameters().begin());
  replica_->parameters_changed();
  return measures_.of(evaluate_with(*replica_, records, batch_size_));
}

}  // namespace sluice::train

namespace sluice {

Metrics Model::evaluate(const Dataset& dataset, const EvaluateOptions& options) const {
  train::validate(options);
  const data::RecordsInfo& info = dataset.records()->info();
  const auto tasks = train::tasks_of(*this, info, train::objective_of(options, *this));
  train::check_fits(*this, info, tasks);
  train::warn_of_logits(*this, tasks);
  train::warn_of_scaling(*this, info);
  const auto key = train::key_of(options, nn::parse_tasks(tasks), dataset.records()->weighted());
  const auto replica = impl_->compiled.take(
      key, parameters(), [&] { return train::compile_for_inference(*this, key); });
  const train::Measures measures(*this, (*replica).graph());
  return measures.of(
      train::evaluate_with(*replica, *dataset.records(), key.batch_size,
                           options.verbose > 0 && show::standard_error_is_terminal()));
}

}  // namespace sluice
