// DynSGD: learning rates by staleness (Jiang et al., 2017, SIGMOD), as Dist-Keras has it.
//
//   worker   after every W-th step pushes delta = theta - anchor
//   server   theta~ += delta / (tau + 1), tau being the push's staleness
//   gain     1: M workers of the same speed have tau = M - 1
//
// Dist-Keras: distkeras.trainers.DynSGD, whose num_updates - last_update + 1 is tau + 1.
#include "algorithm/algorithm.h"
#include "algorithm/shared_rules.h"
#include "algorithm/worker_rules.h"
#include "sluice/algorithm/shared_options.h"

namespace sluice::algorithm {
namespace {

class DynSgdRule final : public UpdateRule {
 public:
  bool begin(const PushContext&) override { return true; }
  std::optional<RuleState> state() const override { return RuleState(); }
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t, const PushContext& context) override {
    const double others = static_cast<double>(std::max<int64_t>(context.staleness, 0));
    add_scaled(old_values, update, static_cast<float>(1 / (others + 1)), result);
  }
};

constexpr OptionSpec kOptions[] = {window_option(), overlap_option()};

}  // namespace

extern constinit const Algorithm kDynSgd{
    .name = "dynsgd",
    .summary = "adds what a window changed, divided by how many others pushed meanwhile",
    .options = kOptions,
    .worker = make_change_worker,
    .server = [](const Options&, const OptimizerSpec&, const Shard&)
        -> std::unique_ptr<UpdateRule> { return std::make_unique<DynSgdRule>(); },
};

}  // namespace sluice::algorithm
