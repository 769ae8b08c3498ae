#include "server/training_totals.h"

#include <algorithm>
#include <functional>

namespace sluice::server {
namespace {

void add(wire::WorkerCount& sum, const wire::WorkerCount& count) {
  sum.pushes += count.pushes;
  sum.samples += count.samples;
}

}  // namespace

void TrainingTotals::make_room(Epoch& epoch, const wire::EpochMetrics& metrics) {
  std::vector<double>& counters = epoch.sums.counters;
  counters.resize(std::max(counters.size(), metrics.counters.size()));
}

void TrainingTotals::count(Epoch& epoch, const wire::EpochMetrics& metrics,
                           core::TimePoint at) noexcept {
  epoch.sums.superseded += metrics.superseded;
  if (metrics.samples == 0) return;
  epoch.sums.samples += metrics.samples;
  epoch.sums.loss_sum += metrics.loss_sum;
  std::transform(metrics.counters.begin(), metrics.counters.end(), epoch.sums.counters.begin(),
                 epoch.sums.counters.begin(), std::plus<>());
  epoch.counted_at = std::max(epoch.counted_at, at);
}

void TrainingTotals::reserve(const wire::PushHeader& header) {
  workers_[header.worker].worker = header.worker;
  for (const wire::EpochMetrics& metrics : header.metrics) {
    Epoch& epoch = epochs_[metrics.epoch];
    epoch.sums.epoch = metrics.epoch;
    make_room(epoch, metrics);
  }
}

void TrainingTotals::record(const wire::PushHeader& header, core::TimePoint now) noexcept {
  wire::WorkerCount worker{header.worker, 1, 0};
  for (const wire::EpochMetrics& metrics : header.metrics) {
    count(epochs_.at(metrics.epoch), metrics, now);
    worker.samples += metrics.samples;
  }
  add(workers_.at(header.worker), worker);
}

void TrainingTotals::record_superseded(const wire::PushHeader& header) noexcept {
  for (const wire::EpochMetrics& metrics : header.metrics) {
    epochs_.at(metrics.epoch).sums.superseded += metrics.samples;
  }
  add(workers_.at(header.worker), {header.worker, 1, 0});
}

std::vector<wire::EpochMetrics> TrainingTotals::epochs() const {
  std::vector<wire::EpochMetrics> result;
  for (const auto& [number, epoch] : epochs_) {
    if (epoch.sums.samples + epoch.sums.superseded > 0) result.push_back(epoch.sums);
  }
  return result;
}

std::vector<core::TimePoint> TrainingTotals::counted_at() const {
  std::vector<core::TimePoint> result;
  for (const auto& [number, epoch] : epochs_) {
    if (epoch.sums.samples + epoch.sums.superseded > 0) result.push_back(epoch.counted_at);
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
