// The batches of one partition, over all epochs of a job.
#pragma once

#include <cstdint>

#include "backend/replica.h"
#include "data/batch_source.h"
#include "data/partition.h"
#include "worker/partition_data.h"

namespace sluice::worker {

class PartitionBatches final : public data::BatchSource {
 public:
  PartitionBatches(PartitionData data, const data::BatchPlan& plan)
      : data_(std::move(data)), plan_(plan) {}

  int64_t batches() const override { return plan_.steps(); }
  int64_t batches_per_epoch() const { return plan_.steps_per_epoch(); }
  int64_t size(int64_t batch) const override { return plan_.batch_size(batch); }
  int epoch_of(int64_t batch) const override { return plan_.epoch_of(batch); }
  void fill(int64_t batch, data::TargetForm form, std::span<float> x, std::span<float> y) override {
    data_.gather(plan_.batch(batch), x, form, y);
  }

 private:
  PartitionData data_;
  data::BatchPlan plan_;
};

// Batch `number` of `source`, put together where the replica wants it; valid until its next step.
backend::Batch make_batch(backend::Replica& replica, data::BatchSource& source, int64_t number);

}  // namespace sluice::worker
