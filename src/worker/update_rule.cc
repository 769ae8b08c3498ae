#include "worker/update_rule.h"

#include <vector>

#include "core/parameter_set.h"
#include "nn/lowering.h"

namespace sluice::worker {

std::string update_rule_of(const wire::TrainingSpec& spec, const Model& model) {
  std::vector<algorithm::UntrainedRange> untrained;
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    if (nn::is_trained(model, variable)) continue;
    const bool joins =
        !untrained.empty() && untrained.back().offset + untrained.back().size == variable.offset;
    if (!joins) untrained.push_back({variable.offset, 0});
    untrained.back().size += variable.size();
  }
  return spec.trainer.to_update_rule(spec.optimizer, untrained);
}

}  // namespace sluice::worker
