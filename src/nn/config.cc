#include "sluice/config.h"

#include <fmt/core.h>

#include <stdexcept>

namespace sluice {
namespace {

template <typename T>
const char* wanted();
template <>
const char* wanted<int64_t>() {
  return "a whole number";
}
template <>
const char* wanted<double>() {
  return "a number";
}
template <>
const char* wanted<bool>() {
  return "true or false";
}
template <>
const char* wanted<std::string>() {
  return "a string";
}
template <>
const char* wanted<std::vector<int64_t>>() {
  return "a list of whole numbers";
}
template <>
const char* wanted<std::vector<double>>() {
  return "a list of numbers";
}
template <>
const char* wanted<std::vector<std::vector<int64_t>>>() {
  return "a list of lists of whole numbers";
}

template <typename T>
T get(const Config& config, const std::string& key, T fallback) {
  const ConfigValue* value = config.find(key);
  if (value == nullptr || std::holds_alternative<std::monostate>(*value)) return fallback;
  if (const T* typed = std::get_if<T>(value)) return *typed;
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* whole = std::get_if<int64_t>(value)) return static_cast<double>(*whole);
  }
  if constexpr (std::is_same_v<T, std::vector<double>>) {
    const auto* whole = std::get_if<std::vector<int64_t>>(value);
    if (whole != nullptr) return {whole->begin(), whole->end()};
  }
  throw std::invalid_argument(fmt::format("\"{}\": must be {}", key, wanted<T>()));
}

}  // namespace

Config::Config(std::initializer_list<std::pair<std::string, ConfigValue>> entries) {
  for (const auto& [key, value] : entries) set(key, value);
}

bool Config::operator==(const Config& other) const { return entries_ == other.entries_; }

Config& Config::set(std::string key, ConfigValue value) {
  for (auto& [name, current] : entries_) {
    if (name == key) {
      current = std::move(value);
      return *this;
    }
  }
  entries_.emplace_back(std::move(key), std::move(value));
  return *this;
}

const ConfigValue* Config::find(const std::string& key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

int64_t Config::get_int(const std::string& key, int64_t fallback) const {
  return get<int64_t>(*this, key, fallback);
}
double Config::get_double(const std::string& key, double fallback) const {
  return get<double>(*this, key, fallback);
}
bool Config::get_bool(const std::string& key, bool fallback) const {
  return get<bool>(*this, key, fallback);
}
std::string Config::get_string(const std::string& key, const std::string& fallback) const {
  return get<std::string>(*this, key, fallback);
}
std::vector<int64_t> Config::get_ints(const std::string& key, std::vector<int64_t> fallback) const {
  return get<std::vector<int64_t>>(*this, key, std::move(fallback));
}
std::vector<double> Config::get_doubles(const std::string& key,
                                        std::vector<double> fallback) const {
  return get<std::vector<double>>(*this, key, std::move(fallback));
}
std::vector<std::vector<int64_t>> Config::get_lists(
    const std::string& key, std::vector<std::vector<int64_t>> fallback) const {
  return get<std::vector<std::vector<int64_t>>>(*this, key, std::move(fallback));
}

}  // namespace sluice
