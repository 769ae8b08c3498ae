#include <sstream>
#include <stdexcept>

#include "optim/definition.h"
#include "optim/optimizer.h"
#include "sluice/optimizers.h"

namespace sluice {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

OptimizerSpec::OptimizerSpec(const std::string& which) {
  const optim::Definition* definition = optim::find_definition(lower_case(which));
  if (definition == nullptr) throw std::invalid_argument(optim::unknown_optimizer(which));
  *this = definition->defaults();
}

namespace optim {

void validate(const OptimizerSpec& spec) {
  for (const Hyperparameter& parameter : definition_of(spec).hyperparameters) {
    const auto* number = std::get_if<Number>(&parameter.value);
    if (number == nullptr || number->range.has(spec.*number->field)) continue;
    std::ostringstream message;
    message << "optimizer \"" << spec.name << "\": " << parameter.name << " = "
            << spec.*number->field << ": must be " << number->range.text;
    throw std::invalid_argument(message.str());
  }
}

}  // namespace optim
}  // namespace sluice
