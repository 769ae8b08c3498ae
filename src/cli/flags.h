// Flags whose values are read strictly: no number wraps, saturates or comes from an empty text.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace sluice::cli {

inline constexpr const char* kLogLevels = "debug|info|warn|error|off";

// Throws std::invalid_argument, naming the flag, for what is not a number or does not fit into one.
template <typename T>
T parse_number(const std::string& flag, const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    throw std::invalid_argument(flag + ": " + text + " is out of range");
  }
  if (error != std::errc() || stopped != end) {
    const char* expected = std::is_floating_point_v<T> ? "a number"
                           : std::is_unsigned_v<T>     ? "a whole number that is not negative"
                                                       : "a whole number";
    throw std::invalid_argument(flag + ": expected " + expected + ", got \"" + text + "\"");
  }
  return value;
}

// Adds a flag for `field`, whose present value is the default.
inline CLI::Option* add_value(CLI::App& app, const std::string& flag, std::string& field,
                              const char* help) {
  return app.add_option(flag, field, help)->capture_default_str();
}

template <typename T>
CLI::Option* add_value(CLI::App& app, const std::string& flag, T& field, const char* help) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
  const auto set = [flag, &field](const std::string& text) { field = parse_number<T>(flag, text); };
  return app.add_option_function<std::string>(flag, set, help)
      ->type_name(CLI::detail::type_name<T>())
      ->default_str(CLI::detail::to_string(field));
}

}  // namespace sluice::cli
