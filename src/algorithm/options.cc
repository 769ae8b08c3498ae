#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "algorithm/options_json.h"

namespace sluice::algorithm {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void wrong(const std::string& name, const std::string& what) {
  throw std::invalid_argument(fmt::format("{}: {}", name, what));
}

template <typename T>
void write(Json& json, const T& value) {
  json = value;
}
void write(Json& json, const Word& value) { json = value.view(); }

template <typename T>
T value_of(const Options& options, const std::string& name) {
  const OptionValue value = options.get(name);
  if (const T* asked_for = std::get_if<T>(&value)) return *asked_for;
  wrong(name, fmt::format("the option is {}, not {}", expected_type(value), expected_type(T{})));
}

}  // namespace

const char* expected_type(const OptionValue& value) {
  if (std::holds_alternative<bool>(value)) return "true or false";
  if (std::holds_alternative<Word>(value)) return "a name";
  return std::holds_alternative<int64_t>(value) ? "a whole number" : "a number";
}

const OptionSpec* Options::find(const std::string& name) const {
  for (const OptionSpec& spec : specs_) {
    if (name == spec.name) return &spec;
  }
  return nullptr;
}

void Options::set(const std::string& name, const OptionValue& asked) {
  const OptionSpec* spec = find(name);
  if (spec == nullptr) wrong(name, "the algorithm has no such option");
  OptionValue value = asked;
  if (std::holds_alternative<double>(spec->fallback) && std::holds_alternative<int64_t>(value)) {
    value = static_cast<double>(std::get<int64_t>(value));
  }
  if (value.index() != spec->fallback.index()) {
    wrong(name, fmt::format("expected {}", expected_type(spec->fallback)));
  }
  if (const char* why = spec->check(value)) wrong(name, why);
  values_[name] = value;
}

OptionValue Options::get(const std::string& name) const {
  const auto it = values_.find(name);
  if (it != values_.end()) return it->second;
  const OptionSpec* spec = find(name);
  if (spec == nullptr) wrong(name, "the algorithm has no such option");
  return spec->fallback;
}

bool Options::flag(const std::string& name) const { return value_of<bool>(*this, name); }
int64_t Options::whole(const std::string& name) const { return value_of<int64_t>(*this, name); }
double Options::real(const std::string& name) const { return value_of<double>(*this, name); }
std::string Options::word(const std::string& name) const {
  return std::string(value_of<Word>(*this, name).view());
}

bool operator==(const Options& a, const Options& b) {
  return a.specs_.data() == b.specs_.data() && to_json(a) == to_json(b);
}

Json to_json(const Options& options) {
  Json json = Json::object();
  for (const OptionSpec& spec : options.specs()) {
    std::visit([&](const auto& value) { write(json[spec.name], value); }, options.get(spec.name));
  }
  return json;
}

void from_json(const Json& json, Options& options) {
  for (const auto& [name, value] : json.items()) options.set(name, option_from_json(name, value));
}

OptionValue option_from_json(const std::string& name, const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return Word(json.get_ref<const std::string&>());
  wrong(name, "expected a number, a name, true or false");
}

}  // namespace sluice::algorithm
