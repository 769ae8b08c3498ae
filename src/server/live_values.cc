#include "server/live_values.h"

#include <algorithm>

namespace sluice::server {

LiveValues::LiveValues(size_t size, const wire::ReceivedPayload& values)
    : size_(size), values_(size), locks_(new std::mutex[(size + kBlock - 1) / kBlock]) {
  PayloadReader(values, size).copy(values_.span().first(size_));
}

// Calls f(offset, n) with the block's lock held.
template <typename F>
void LiveValues::for_each_block(F f) const {
  for (size_t offset = 0; offset < size_; offset += kBlock) {
    std::lock_guard lock(locks_[offset / kBlock]);
    f(offset, std::min(kBlock, size_ - offset));
  }
}

void LiveValues::apply(algorithm::UpdateRule& rule, const wire::ReceivedPayload& update,
                       const algorithm::PushContext& context) {
  PayloadReader reader(update, size_);
  alignas(64) float scratch[kBlock];
  alignas(64) float result[kBlock];
  for_each_block([&](size_t offset, size_t n) {
    const std::span<float> block = values_.span().subspan(offset, n);
    rule.apply(block, reader.next({scratch, n}), {result, n}, offset, context);
    std::copy(result, result + n, block.begin());
  });
}

void LiveValues::copy_to(std::span<float> values) const {
  for_each_block([&](size_t offset, size_t n) {
    const std::span<const float> block = values_.span().subspan(offset, n);
    std::copy(block.begin(), block.end(), values.begin() + static_cast<ptrdiff_t>(offset));
  });
}

}  // namespace sluice::server
