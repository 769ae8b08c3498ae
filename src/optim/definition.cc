#include "optim/definition.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

#include "core/alternatives.h"

namespace sluice::optim {
namespace {

constexpr const Definition* kDefinitions[] = {&kSgd,   &kRmsprop, &kAdagrad, &kAdadelta, &kAdam,
                                              &kAdamW, &kAdamax,  &kNadam,   &kLion,     &kFtrl};

}  // namespace

std::span<const Definition* const> definitions() { return kDefinitions; }

const Definition* find_definition(std::string_view name) {
  const auto found = std::find_if(std::begin(kDefinitions), std::end(kDefinitions),
                                  [name](const Definition* d) { return d->name == name; });
  return found != std::end(kDefinitions) ? *found : nullptr;
}

const Definition& definition_of(const OptimizerSpec& spec) {
  if (const Definition* definition = find_definition(spec.name)) return *definition;
  throw std::invalid_argument(unknown_optimizer(spec.name));
}

std::string unknown_optimizer(const std::string& name) {
  const auto quoted = [](const Definition* d) { return fmt::format("\"{}\"", d->name); };
  return fmt::format("optimizer \"{}\": use {}", name, core::alternatives(kDefinitions, quoted));
}

void set_learning_rate(const OptimizerSpec&, int64_t, double learning_rate, StepFactors& factors) {
  factors.rate = static_cast<float>(learning_rate);
}

}  // namespace sluice::optim
