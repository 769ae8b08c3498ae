// The configuration of a layer, as Keras' JSON has it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/cplusplus.h"

namespace sluice {

struct ConfigObject;

// One value of a layer's configuration, as JSON has them: null, true or false, a whole number, a
// number, a string, a list of whole numbers, one of numbers, one of lists of whole numbers, an
// object with a class of its own.
using ConfigValue =
    std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::vector<int64_t>>, ConfigObject>;

// A layer's configuration: what Keras' get_config() returns and its JSON holds, keys in Keras'
// order. "name", "trainable" and "dtype", which every layer has, are left out.
class Config {
 public:
  Config() = default;
  // {{"mean", 0.0}, {"stddev", 0.01}}
  Config(std::initializer_list<std::pair<std::string, ConfigValue>> entries);

  // Sets `key`, or replaces its value where it is. Returns this, so that calls can be chained.
  Config& set(std::string key, ConfigValue value);
  // Whether the key is there, even if its value is null.
  bool has(const std::string& key) const { return find(key) != nullptr; }
  // nullptr when there is no such key. Valid until the next set().
  const ConfigValue* find(const std::string& key) const;

  // The value under `key`, or `fallback` when the key is absent or null. Throws
  // std::invalid_argument, naming the key, when the value is of another type (whole numbers pass as
  // doubles).
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_double(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string get_string(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> get_ints(const std::string& key, std::vector<int64_t> fallback) const;
  std::vector<double> get_doubles(const std::string& key, std::vector<double> fallback) const;
  std::vector<std::vector<int64_t>> get_lists(const std::string& key,
                                              std::vector<std::vector<int64_t>> fallback) const;

  // In the order in which the keys were first set.
  const std::vector<std::pair<std::string, ConfigValue>>& entries() const { return entries_; }

  bool operator==(const Config& other) const;

 private:
  std::vector<std::pair<std::string, ConfigValue>> entries_;
};

// Something with a name and arguments, such as an initializer.
struct ConfigObject {
  std::string name;
  Config arguments;

  bool operator==(const ConfigObject& other) const {
    return name == other.name && arguments == other.arguments;
  }
};

}  // namespace sluice
