#include "data/batch_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

namespace sluice::data {

int64_t InOrderBatches::batches() const {
  return (records_.info().records + batch_size_ - 1) / batch_size_;
}

int64_t InOrderBatches::size(int64_t batch) const {
  if (batch < 0 || batch >= batches()) {
    throw std::out_of_range(fmt::format("batch {} of {}", batch, batches()));
  }
  return std::min(batch_size_, records_.info().records - batch * batch_size_);
}

void InOrderBatches::fill(int64_t batch, TargetForm form, std::span<float> x, std::span<float> y) {
  indices_.resize(static_cast<size_t>(size(batch)));
  std::iota(indices_.begin(), indices_.end(), static_cast<uint32_t>(batch * batch_size_));
  records_.gather(indices_, x);
  records_.gather_targets(indices_, form, y);
}

}  // namespace sluice::data
