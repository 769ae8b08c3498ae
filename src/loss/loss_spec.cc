#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/alternatives.h"
#include "loss/loss_json.h"
#include "loss/table.h"
#include "optim/call_text.h"
#include "optim/lower_case.h"

namespace sluice {
namespace {

bool has_name(const auto& definition, const std::string& wanted) {
  if (wanted.empty()) return false;  // as most abbreviations are
  return wanted == optim::without_case(definition.name) || wanted == definition.abbreviation;
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
  const std::string wanted = optim::without_case(which);
  bool found = false;
  loss::for_each_definition([&](const auto& definition) {
    if (!has_name(definition, wanted)) return;
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

namespace {

// What is wrong with an option's value; empty: nothing.
std::string objection(const auto& option, float value) {
  if (option.range.has == nullptr || option.range.has(value)) return "";
  return fmt::format("{}: must be {}", value, option.range.text);
}
// Whether a batch has these axes, its shape says (backend/batch_losses.h).
std::string objection(const auto& /*option*/, const LossAxes& value) {
  const std::span<const int> axes = std::span(value.axes).first(value.size);
  constexpr int kMost = LossAxes::kMost;
  const std::string text = fmt::format("[{}]: ", fmt::join(axes, ", "));
  for (size_t i = 0; i < axes.size(); ++i) {
    if (axes[i] < -kMost || axes[i] >= kMost) {
      return text + fmt::format("axes are from {} to {}", -kMost, kMost - 1);
    }
    if (std::ranges::count(axes, axes[i]) > 1) return text + "names an axis twice";
  }
  return "";
}
std::string objection(const auto& /*option*/, const auto& /*value*/) { return ""; }

}  // namespace

void validate(const LossSpec& spec) {
  with_definition(spec, [](const auto& definition, const auto& loss) {
    for_each_option(definition, [&](const auto& option) {
      const std::string wrong = objection(option, loss.*option.field);
      if (wrong.empty()) return;
      throw std::invalid_argument(
          fmt::format("loss \"{}\": {} = {}", definition.name, option.name, wrong));
    });
  });
}

std::vector<std::string_view> names() {
  std::vector<std::string_view> names;
  for_each_definition([&](const auto& definition) {
    names.push_back(definition.abbreviation.empty() ? definition.name : definition.abbreviation);
  });
  return names;
}

bool is_loss(std::string_view name) {
  const std::string wanted = optim::without_case(name);
  bool found = false;
  for_each_definition(
      [&](const auto& definition) { found = found || has_name(definition, wanted); });
  return found;
}

std::string unknown_loss(std::string_view name) {
  const auto quoted = [](std::string_view known) { return fmt::format("\"{}\"", known); };
  return fmt::format("loss \"{}\": use {}", name, core::alternatives(names(), quoted));
}

}  // namespace loss
}  // namespace sluice
