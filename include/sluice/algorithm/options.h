// The hyperparameters of an algorithm: described once, in the algorithm's own file.
//
//   constexpr OptionSpec kOptions[] = {
//       window_option(5),
//       {"damping", 0.2, "how much less an old push counts", check_not_negative}};
//
// From a description come the command's flag, the name in a config file and in
// TrainerOptions::hyperparameters, the default, the check, the help and the message about a wrong
// value.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "sluice/cplusplus.h"

namespace sluice::algorithm {

// A short name, such as an optimizer's. What is longer is cut, and so is none that an option takes.
class Word {
 public:
  constexpr Word() = default;
  constexpr Word(const char* text) : Word(std::string_view(text)) {}  // NOLINT: implicit
  constexpr Word(std::string_view text) {                             // NOLINT: likewise
    size_t n = 0;
    for (const char c : text.substr(0, text_.size())) text_[n++] = c;
  }
  constexpr std::string_view view() const {
    size_t n = 0;
    while (n < text_.size() && text_[n] != 0) ++n;
    return {text_.data(), n};
  }
  friend bool operator==(const Word&, const Word&) = default;

 private:
  std::array<char, 24> text_{};
};

// What an option may be: a flag, a whole number, a real one or a name. The type of its default is
// the option's.
using OptionValue = std::variant<bool, int64_t, double, Word>;

struct OptionSpec {
  const char* name;      // with underscores: "window"
  OptionValue fallback;  // the default
  const char* help;      // half a sentence
  // What is wrong with a value of the right type: "expected at least 1 mini-batch"; null: nothing.
  const char* (*check)(const OptionValue& value) = [](const OptionValue&) -> const
      char* { return nullptr; };
};

// "true or false", "a whole number", "a number" or "a name".
const char* expected_type(const OptionValue& value);

// Values by name; what is not set has its default. An algorithm is given those of its own
// descriptions, with the values that the job asks for, each of which has been checked.
class Options {
 public:
  Options() = default;
  // `specs` must stay as they are.
  explicit Options(std::span<const OptionSpec> specs) : specs_(specs) {}

  std::span<const OptionSpec> specs() const { return specs_; }
  // Throws std::invalid_argument, "NAME: WHAT IS WRONG", for an option that there is not, a value
  // of another type, or one that check() refuses. A whole number will do for a real one.
  void set(const std::string& name, const OptionValue& value);

  // The value of an option, or its default. All throw std::invalid_argument for an option that
  // there is not, and for one of another type than is asked for.
  bool has(const std::string& name) const { return find(name) != nullptr; }
  OptionValue get(const std::string& name) const;
  bool flag(const std::string& name) const;
  int64_t whole(const std::string& name) const;
  double real(const std::string& name) const;
  std::string word(const std::string& name) const;

  friend bool operator==(const Options& a, const Options& b);

 private:
  const OptionSpec* find(const std::string& name) const;

  std::span<const OptionSpec> specs_;
  std::map<std::string, OptionValue> values_;
};

}  // namespace sluice::algorithm
