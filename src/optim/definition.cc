#include "optim/definition.h"

#include <fmt/core.h>

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
  const auto quoted = [](const Definition* d) { return fmt::format("\"{}\"", d->name); };
  return fmt::format("optimizer \"{}\": use {}", name, core::alternatives(kDefinitions, quoted));
}

float learning_rate(const OptimizerSpec& spec, int64_t) { return spec.learning_rate; }

}  // namespace sluice::optim
