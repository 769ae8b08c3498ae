// One optimizer step per push, the update being a mean gradient (Li et al., 2014). The optimizer's
// slots live here, at the shard, and count one iteration per applied push.
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "optim/optimizer.h"
#include "optim/optimizer_json.h"
#include "server/update_rules.h"

namespace sluice::server {
namespace {

class OptimizerRule final : public UpdateRule {
 public:
  OptimizerRule(const OptimizerSpec& spec, size_t shard_size) : optimizer_(spec, shard_size) {}

  void begin(const PushContext&) override { optimizer_.begin_step(); }

  // The optimizer steps in place: copy the block, which then is in the cache, and step the copy.
  void apply(std::span<const float> old_values, std::span<const float> update,
             std::span<float> result, size_t offset, const PushContext&) override {
    std::memcpy(result.data(), old_values.data(), old_values.size_bytes());
    optimizer_.apply_range(offset, result, update);
  }

 private:
  optim::Optimizer optimizer_;
};

}  // namespace

std::unique_ptr<UpdateRule> make_optimizer_rule(const nlohmann::ordered_json& options,
                                                size_t shard_size) {
  if (options.size() != 2 || !options.contains("optimizer")) {
    throw std::invalid_argument(
        "update rule \"optimizer\": expected one option, \"optimizer\", got " + options.dump());
  }
  return std::make_unique<OptimizerRule>(options["optimizer"].get<OptimizerSpec>(), shard_size);
}

}  // namespace sluice::server
