#include "backend/cpu/parameter_store.h"

#include "backend/cpu/elementwise.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {
namespace {
constexpr int64_t kApplyGrain =
    16384;  // floats; below this a second thread costs more than it does
}

ParameterStore::ParameterStore(size_t size, const ReplicaOptions& options)
    : values_(size), threads_(options.threads) {
  if (options.purpose == Purpose::kInference) return;
  gradients_ = core::AlignedBuffer(size);
  if (options.optimizer) optimizer_.emplace(*options.optimizer, size);
}

void ParameterStore::begin_step() {
  if (!optimizer_) return;
  optimizer_->begin_step();
  ++version_;
}

void ParameterStore::add_to_gradient(const ParameterSlice& slice, const float* gradient) {
  float* sum = gradients_of(slice);
  parallel_for(
      threads_, static_cast<int64_t>(slice.size), kApplyGrain,
      [&](int64_t begin, int64_t end) { add(end - begin, gradient + begin, sum + begin); });
}

void ParameterStore::gradient_complete(const ParameterSlice& slice) {
  if (!optimizer_) return;
  parallel_for(threads_, static_cast<int64_t>(slice.size), kApplyGrain,
               [&](int64_t begin, int64_t end) {
                 const size_t offset = slice.offset + static_cast<size_t>(begin);
                 apply(offset, gradients_.span().subspan(offset, static_cast<size_t>(end - begin)));
               });
}

void ParameterStore::apply(size_t offset, std::span<const float> gradients) {
  optimizer_->apply_range(offset, values_.span().subspan(offset, gradients.size()), gradients);
}

}  // namespace sluice::backend::cpu
