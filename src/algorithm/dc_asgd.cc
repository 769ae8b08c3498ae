// DC-ASGD: asynchronous SGD with delay compensation (Zheng et al., 2017, arXiv:1609.08326).
//
//   worker   after every W-th step pushes g, the mean gradient of the window's mini-batches, all
//            taken at the anchor a
//   server   one step of the job's optimizer on g + lambda g^2 (theta~ - a), elementwise: the
//            gradient that the worker would have found at theta~, to first order, with g^2 for the
//            Hessian's diagonal
//   gain     M, in steps of the optimizer, bounded as async_sgd's
//
// `a` is the snapshot that the server has handed out; where it is not known (the first push after a
// lease was taken over) the gradient is taken as it is.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "core/simd.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

SLUICE_SIMD void compensate(const float* __restrict g, const float* __restrict theta,
                            const float* __restrict anchor, float lambda, float* __restrict out,
                            size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = g[i] + lambda * g[i] * g[i] * (theta[i] - anchor[i]);
}

class DcAsgdRule final : public OptimizerRule {
 public:
  DcAsgdRule(const OptimizerSpec& optimizer, const Shard& shard, Gain gain, double lambda)
      : OptimizerRule(optimizer, shard, gain), lambda_(static_cast<float>(lambda)) {}

  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext& context) override {
    if (context.base.empty()) {
      return OptimizerRule::apply(old_values, update, result, offset, context);
    }
    compensated_.resize(std::max(compensated_.size(), update.size()));
    compensate(update.data(), old_values.data(), &context.base[offset], lambda_,
               compensated_.data(), update.size());
    OptimizerRule::apply(old_values, std::span(compensated_).first(update.size()), result, offset,
                         context);
  }

 private:
  const float lambda_;
  std::vector<float> compensated_;  // a block
};

constexpr OptionSpec kOptions[] = {
    window_option(), bound_gain_option(), scale_rate_option(),
    OptionSpec{"lambda", 0.04, "how strongly a gradient's delay is made up for",
               check_not_negative}};

Gain gain(const Options& options) { return {1, options.flag("bound_gain")}; }

}  // namespace

extern constinit const Algorithm kDcAsgd{
    .name = "dc_asgd",
    .summary = "as async_sgd, with gradients corrected for what others changed meanwhile",
    .options = kOptions,
    .keeps_bases = true,
    .gain = gain,
    .worker = make_gradient_worker,
    .server = [](const Options& options, const OptimizerSpec& optimizer,
                 const Shard& shard) -> std::unique_ptr<UpdateRule> {
      return std::make_unique<DcAsgdRule>(optimizer, shard, gain(options), options.real("lambda"));
    },
};

}  // namespace sluice::algorithm
