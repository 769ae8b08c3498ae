#include "worker/update_rule.h"

#include <vector>

#include "core/parameter_set.h"
#include "nn/lowering.h"

namespace sluice::worker {

std::string update_rule_of(const wire::TrainingSpec& spec, const Model& model,
                           const Model& of_a_worker) {
  std::vector<ParameterRange> untrained;
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    if (nn::is_trained(model, variable)) continue;
    optim::add_range(untrained, variable.offset, variable.size());
  }
  return spec.trainer.to_update_rule(spec.optimizer, untrained,
                                     nn::undecayed_ranges(of_a_worker, spec.optimizer));
}

}  // namespace sluice::worker
