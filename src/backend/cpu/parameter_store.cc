#include "backend/cpu/parameter_store.h"

#include <algorithm>
#include <utility>

#include "backend/cpu/elementwise.h"
#include "backend/cpu/parallel.h"

namespace sluice::backend::cpu {
namespace {
constexpr int64_t kApplyGrain =
    16384;  // floats; below this a second thread costs more than it does
}

ParameterStore::ParameterStore(size_t size, const ReplicaOptions& options,
                               std::vector<ParameterSlice> trained, std::vector<WeightRule> rules)
    : values_(size),
      clip_(options.optimizer ? optim::norm_clip_of(*options.optimizer) : options.update_clip,
            std::move(trained), options.threads),
      rules_(std::move(rules), options.threads),
      threads_(options.threads) {
  if (options.purpose == Purpose::kInference) return;
  gradients_ = core::AlignedBuffer(size);
  if (options.optimizer) optimizer_.emplace(*options.optimizer, size, options.undecayed);
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
  rules_.add_gradient(slice, values_of(slice), gradients_of(slice));
  if (steps_at_once()) step(slice);
}

void ParameterStore::step(const ParameterSlice& slice) {
  parallel_for(threads_, static_cast<int64_t>(slice.size), kApplyGrain,
               [&](int64_t begin, int64_t end) {
                 const size_t offset = slice.offset + static_cast<size_t>(begin);
                 apply(offset, gradients_.span().subspan(offset, static_cast<size_t>(end - begin)));
               });
  rules_.constrain(slice, values_of(slice));
}

void ParameterStore::apply(size_t offset, std::span<const float> gradients) {
  optimizer_->apply_range(offset, values_.span().subspan(offset, gradients.size()), gradients);
}

void ParameterStore::end_step() {
  if (!optimizer_ || steps_at_once()) return;
  clip_.clip(gradients_.span());
  for (const ParameterSlice& slice : clip_.parameters()) step(slice);
}

void ParameterStore::adopt_averages() {
  if (!optimizer_ || optimizer_->averages().empty()) return;
  const std::span<const float> averages = optimizer_->averages();
  for (const ParameterSlice& slice : clip_.parameters()) {
    std::copy_n(averages.data() + slice.offset, slice.size, values_of(slice));
  }
  values_changed();
}

}  // namespace sluice::backend::cpu
