// Sums of the metrics that came with pushes, by epoch and by worker. They come to one server alone
// (wire::ShardMap::kLedgerServer); a push may have trained on nothing (DOWNPOUR with a window of
// 1).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "core/clock.h"
#include "wire/parameters.h"

namespace sluice::server {

class TrainingTotals {
 public:
  // Makes room for what `header` carries, so that record() cannot fail. May throw std::bad_alloc.
  void reserve(const wire::PushHeader& header);
  // Adds the metrics of a push that was applied at `now`, after reserve().
  void record(const wire::PushHeader& header, core::TimePoint now) noexcept;
  // Counts the samples of a push that came too late for its round, apart, after reserve().
  void record_superseded(const wire::PushHeader& header) noexcept;

  // Only what has been counted, in order of epoch or worker.
  std::vector<wire::EpochMetrics> epochs() const;
  std::vector<wire::WorkerCount> workers() const;
  // When the last sample of each of epochs() was counted.
  std::vector<core::TimePoint> counted_at() const;

 private:
  struct Epoch {
    wire::EpochMetrics sums;
    core::TimePoint counted_at{};
  };
  // Once there is room for the counters.
  static void count(Epoch& epoch, const wire::EpochMetrics& metrics, core::TimePoint at) noexcept;
  static void make_room(Epoch& epoch, const wire::EpochMetrics& metrics);

  std::map<int32_t, Epoch> epochs_;
  std::map<int, wire::WorkerCount> workers_;
};

}  // namespace sluice::server
