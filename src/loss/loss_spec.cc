#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "core/alternatives.h"
#include "loss/loss_json.h"
#include "loss/table.h"
#include "optim/call_text.h"

namespace sluice {
namespace {

// "MeanSquaredError" and "mean_squared_error" are the same.
std::string without_case(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (c == '_') continue;
    letters += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return letters;
}

}  // namespace

LossAxes::LossAxes(std::initializer_list<int> chosen) : size(chosen.size()) {
  if (size > kMost) throw std::invalid_argument(fmt::format("a loss over {} axes", size));
  std::copy(chosen.begin(), chosen.end(), axes.begin());
}

LossSpec::LossSpec(const std::string& which) {
  if (which.find('(') != std::string::npos) {
    from_json(optim::parse_call(which), *this);
    return;
  }
  const std::string wanted = without_case(which);
  bool found = false;
  loss::for_each_definition([&](const auto& definition) {
    if (wanted != without_case(definition.name) && wanted != definition.abbreviation) return;
    if (wanted.empty()) return;  // as most abbreviations are
    loss = typename std::decay_t<decltype(definition)>::Loss{};
    found = true;
  });
  if (!found) throw std::invalid_argument(loss::unknown_loss(which));
}

std::string LossSpec::name() const {
  std::string name;
  loss::with_definition(*this,
                        [&](const auto& definition, const auto&) { name = definition.name; });
  return name;
}

namespace loss {

Traits traits_of(const LossSpec& spec) {
  Traits traits{};
  with_definition(spec, [&](const auto& definition, const auto&) { traits = definition.traits; });
  return traits;
}

bool takes_logits(const LossSpec& spec) {
  return std::visit(
      [](const auto& loss) {
        if constexpr (requires { loss.from_logits; }) return loss.from_logits;
        return false;
      },
      spec.loss);
}

LossSpec of_logits(const LossSpec& spec) {
  LossSpec result = spec;
  std::visit(
      [](auto& loss) {
        if constexpr (requires { loss.from_logits; }) loss.from_logits = true;
      },
      result.loss);
  return result;
}

std::string short_name(const LossSpec& spec) {
  std::string name;
  with_definition(spec, [&](const auto& definition, const auto&) {
    name = definition.abbreviation.empty() ? definition.name : definition.abbreviation;
  });
  return name;
}

void validate(const LossSpec& spec) {
  with_definition(spec, [](const auto& definition, const auto& loss) {
    for_each_option(definition, [&](const auto& option) {
      if (option.range.has == nullptr) return;
      if constexpr (std::is_same_v<const float&, decltype(loss.*option.field)>) {
        const float value = loss.*option.field;
        if (option.range.has(value)) return;
        throw std::invalid_argument(fmt::format("loss \"{}\": {} = {}: must be {}", definition.name,
                                                option.name, value, option.range.text));
      }
    });
  });
}

std::string unknown_loss(std::string_view name) {
  std::vector<std::string_view> names;
  for_each_definition([&](const auto& definition) {
    names.push_back(definition.abbreviation.empty() ? definition.name : definition.abbreviation);
  });
  const auto quoted = [](std::string_view known) { return fmt::format("\"{}\"", known); };
  return fmt::format("loss \"{}\": use {}", name, core::alternatives(names, quoted));
}

}  // namespace loss
}  // namespace sluice
