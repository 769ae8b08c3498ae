// The hyperparameters of an algorithm: described once, in the algorithm's own file.
//
// From a description come the command's flag, the name in a config file, the default, the check,
// the help and the message about a wrong value.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace sluice::algorithm {

// A short name, such as an optimizer's. What is longer is cut, and so is none that an option takes.
class Word {
 public:
  constexpr Word() = default;
  constexpr Word(std::string_view text) {  // NOLINT: meant to be implicit
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

using OptionValue = std::variant<bool, int64_t, double, Word>;

struct OptionSpec {
  const char* name;      // with underscores: "window"
  OptionValue fallback;  // the default; its type is the option's
  const char* help;      // half a sentence
  // What is wrong with a value of the right type: "expected at least 1 mini-batch"; null: nothing.
  const char* (*check)(const OptionValue& value) = [](const OptionValue&) -> const
      char* { return nullptr; };
};

// "true or false", "a whole number", "a number" or "a name".
const char* expected_type(const OptionValue& value);

// Values by name; what is not set has its default.
class Options {
 public:
  Options() = default;
  explicit Options(std::span<const OptionSpec> specs) : specs_(specs) {}

  std::span<const OptionSpec> specs() const { return specs_; }
  // Throws std::invalid_argument, "NAME: WHAT IS WRONG", for an option that there is not, a value
  // of another type, or one that check() refuses. A whole number will do for a real one.
  void set(const std::string& name, const OptionValue& value);

  bool has(const std::string& name) const { return find(name) != nullptr; }
  OptionValue get(const std::string& name) const;
  bool flag(const std::string& name) const { return std::get<bool>(get(name)); }
  int64_t whole(const std::string& name) const { return std::get<int64_t>(get(name)); }
  double real(const std::string& name) const { return std::get<double>(get(name)); }
  std::string word(const std::string& name) const {
    return std::string(std::get<Word>(get(name)).view());
  }

  friend bool operator==(const Options& a, const Options& b);

 private:
  const OptionSpec* find(const std::string& name) const;

  std::span<const OptionSpec> specs_;
  std::map<std::string, OptionValue> values_;
};

// {"window": 5, "overlap": false}, every option.
nlohmann::ordered_json to_json(const Options& options);
// Sets what `json`, an object, names. Throws as set().
void from_json(const nlohmann::ordered_json& json, Options& options);
// The value that a JSON value stands for. Throws std::invalid_argument, naming the option.
OptionValue option_from_json(const std::string& name, const nlohmann::ordered_json& json);

}  // namespace sluice::algorithm
