// Where training and evaluation get their batches: which records are in which, and as what numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/records.h"

namespace sluice::data {

// Batches numbered from 0. Used by one thread.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  virtual int64_t batches() const = 0;
  // The samples n of a batch. Throws std::out_of_range unless 0 <= batch < batches().
  virtual int64_t size(int64_t batch) const = 0;
  // The pass over the data that a batch belongs to, from 0.
  virtual int epoch_of(int64_t batch) const = 0;
  // Writes the batch: x [n, sample...] and its targets. Throws as Records::gather().
  virtual void fill(int64_t batch, TargetForm form, std::span<float> x, std::span<float> y) = 0;
};

// All records once, in order; the last batch may be smaller.
class InOrderBatches final : public BatchSource {
 public:
  // `batch_size` at least 1. `records` outlives the source.
  InOrderBatches(const Records& records, int64_t batch_size)
      : records_(records), batch_size_(batch_size) {}

  int64_t batches() const override;
  int64_t size(int64_t batch) const override;
  int epoch_of(int64_t /*batch*/) const override { return 0; }
  void fill(int64_t batch, TargetForm form, std::span<float> x, std::span<float> y) override;

 private:
  const Records& records_;
  const int64_t batch_size_;
  std::vector<uint32_t> indices_;
};

}  // namespace sluice::data
