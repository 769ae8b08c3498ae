#include "server/training_totals.h"

namespace sluice::server {
namespace {

void add(wire::EpochMetrics& sum, const wire::EpochMetrics& metrics) {
  sum.samples += metrics.samples;
  sum.loss_sum += metrics.loss_sum;
  sum.correct += metrics.correct;
}

void add(wire::WorkerCount& sum, const wire::WorkerCount& count) {
  sum.pushes += count.pushes;
  sum.samples += count.samples;
}

}  // namespace

void TrainingTotals::reserve(const wire::PushHeader& header) {
  if (header.shard != wire::ShardMap::kLedgerShard) return;
  workers_[header.worker].worker = header.worker;
  for (const wire::EpochMetrics& metrics : header.metrics) {
    epochs_[metrics.epoch].epoch = metrics.epoch;
  }
}

void TrainingTotals::record(const wire::PushHeader& header) noexcept {
  if (header.shard != wire::ShardMap::kLedgerShard) return;
  wire::WorkerCount count{header.worker, 1, 0};
  for (const wire::EpochMetrics& metrics : header.metrics) {
    add(epochs_.at(metrics.epoch), metrics);
    count.samples += metrics.samples;
  }
  add(workers_.at(header.worker), count);
}

void TrainingTotals::merge(const TrainingTotals& other) {
  for (const auto& [epoch, metrics] : other.epochs_) {
    add(epochs_.try_emplace(epoch, wire::EpochMetrics{.epoch = epoch}).first->second, metrics);
  }
  for (const auto& [worker, count] : other.workers_) {
    add(workers_.try_emplace(worker, wire::WorkerCount{.worker = worker}).first->second, count);
  }
}

std::vector<wire::EpochMetrics> TrainingTotals::epochs() const {
  std::vector<wire::EpochMetrics> result;
  for (const auto& [epoch, metrics] : epochs_) {
    if (metrics.samples > 0) result.push_back(metrics);
  }
  return result;
}

std::vector<wire::WorkerCount> TrainingTotals::workers() const {
  std::vector<wire::WorkerCount> result;
  for (const auto& [worker, count] : workers_) {
    if (count.pushes > 0) result.push_back(count);
  }
  return result;
}

}  // namespace sluice::server
