#include "optim/definition.h"

#include <algorithm>
#include <stdexcept>

#include "core/alternatives.h"

namespace sluice::optim {
namespace {

constexpr const Definition* kDefinitions[] = {&kSgd, &kRmsprop, &kAdagrad, &kAdam};

}  // namespace

const Definition* find_definition(std::string_view name) {
  const auto found = std::find_if(std::begin(kDefinitions), std::end(kDefinitions),
                                  [name](const Definition* d) { return d->name == name; });
  return found != std::end(kDefinitions) ? *found : nullptr;
}

Kind kind_of(const OptimizerSpec& spec) { return definition_of(spec).kind; }

const Definition& definition_of(const OptimizerSpec& spec) {
  if (const Definition* definition = find_definition(spec.name)) return *definition;
  throw std::invalid_argument(unknown_optimizer(spec.name));
}

std::string unknown_optimizer(const std::string& name) {
  return "optimizer \"" + name + "\": use " +
         core::alternatives(kDefinitions,
                            [](const Definition* d) { return "\"" + std::string(d->name) + "\""; });
}

float learning_rate(const OptimizerSpec& spec, int64_t) { return spec.learning_rate; }

}  // namespace sluice::optim
