#include "optim/call_text.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/alternatives.h"
#include "core/json_text.h"
#include "optim/lower_case.h"

namespace sluice::optim {
namespace {

using Json = nlohmann::ordered_json;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// As all texts of JSON are.
bool is_utf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  Json whole() {
    Json json = call(word());
    if (next() != '\0') fail("expected the end");
    return json;
  }

 private:
  static constexpr int kDeepest = 16;

  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(fmt::format("\"{}\": {} at character {}", text_, what, at_ + 1));
  }

  // The next character that is no blank; '\0' at the end.
  char next() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }

  std::string word() {
    const char first = next();
    const size_t begin = at_;
    if (!is_letter(first)) fail("expected a name");
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  Json number() {
    const char* begin = text_.data() + at_;
    const char* text_end = text_.data() + text_.size();
    double value = 0;
    const auto [end, error] = std::from_chars(begin, text_end, value);
    if (error == std::errc::result_out_of_range) fail("a number that is too large or too small");
    if (error != std::errc()) fail("expected a number, text, true, false, None, a list or a call");
    const std::string_view digits(begin, static_cast<size_t>(end - begin));
    at_ += digits.size();
    int64_t whole = 0;
    const auto integer = std::from_chars(begin, end, whole);
    if (integer.ec == std::errc() && integer.ptr == end) return whole;
    return value;
  }

  // Behind the quote that it begins with, and ends with.
  std::string quoted(char quote) {
    const size_t end = text_.find(quote, at_);
    if (end == std::string::npos) fail("a text without an end");
    const std::string text = text_.substr(at_, end - at_);
    if (!is_utf8(text)) fail("a text that is no UTF-8");
    at_ = end + 1;
    return text;
  }

  // Behind the bracket, up to the one that closes it.
  Json list(char end) {
    Json values = Json::array();
    while (!take(end)) {
      values.push_back(value());
      if (!take(',') && next() != end) fail(fmt::format("expected \",\" or \"{}\"", end));
    }
    return values;
  }

  Json value() {
    if (++depth_ > kDeepest) fail("nested too deeply");
    Json json;
    if (take('[')) {
      json = list(']');
    } else if (take('(')) {
      json = list(')');
    } else if (next() == '"' || next() == '\'') {
      const char quote = text_[at_++];
      json = quoted(quote);
    } else if (is_letter(next())) {
      const std::string name = word();
      const std::string lower = lower_case(name);
      if (lower == "true" || lower == "false") {
        json = lower == "true";
      } else if (lower != "none" && lower != "null") {
        json = next() == '(' ? call(name) : Json(name);
      }
    } else {
      json = number();
    }
    --depth_;
    return json;
  }

  // Behind the name.
  Json call(const std::string& name) {
    Json config = Json::object();
    if (take('(')) {
      while (!take(')')) {
        const std::string key = is_letter(next()) ? word() : "";
        if (config.contains(key)) fail(fmt::format("\"{}\" is given twice", key));
        if (key.empty() || !take('=')) fail("expected ARGUMENT=VALUE");
        config[key] = value();
        if (!take(',') && next() != ')') fail("expected \",\" or \")\"");
      }
    }
    return {{"class_name", name}, {"config", config}};
  }

  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
};

std::string text_of(const Json& value);

std::string listed(const Json& values) {
  std::string text;
  for (const Json& value : values) text += (text.empty() ? "" : ", ") + text_of(value);
  return text;
}

std::string quoted(const std::string& text) {
  const char quote = text.find('"') == std::string::npos ? '"' : '\'';
  if (text.find(quote) != std::string::npos) {
    throw std::invalid_argument(fmt::format("a text with both kinds of quotes: {}", text));
  }
  return quote + text + quote;
}

std::string text_of(const Json& value) {
  if (value.is_object()) return call_text(value);
  if (value.is_array()) return fmt::format("[{}]", listed(value));
  if (value.is_string()) return quoted(value.get<std::string>());
  return value.is_null() ? "None" : value.dump();
}

}  // namespace

Json parse_call(const std::string& text) { return Parser(text).whole(); }

std::string call_text(const Json& call) {
  const Json config = call.is_object() ? call.value("config", Json::object()) : Json();
  if (!config.is_object() || !call.contains("class_name") || !call["class_name"].is_string()) {
    throw std::invalid_argument(fmt::format(
        R"(expected an object with a "class_name" and a "config", got {})", core::shown(call)));
  }
  std::string arguments;
  for (const auto& [key, value] : config.items()) {
    arguments += fmt::format("{}{}={}", arguments.empty() ? "" : ", ", key, text_of(value));
  }
  return fmt::format("{}({})", call["class_name"].get<std::string>(), arguments);
}

void refuse_argument(const CallArgument& argument, const std::vector<std::string>& known) {
  const auto in_quotes = [](const std::string& name) { return fmt::format("\"{}\"", name); };
  const std::string instead =
      known.empty() ? "leave it out" : "use " + core::alternatives(known, in_quotes);
  throw std::invalid_argument(
      fmt::format("{} has no argument \"{}\": {}", argument.whose, argument.name, instead));
}

void refuse_value(const CallArgument& argument, const std::string& expected, const Json& got) {
  throw std::invalid_argument(fmt::format("{}: \"{}\" must be {}, got {}", argument.whose,
                                          argument.name, expected, core::shown(got)));
}

float float_of(const CallArgument& argument, const Json& value) {
  if (!value.is_number()) refuse_value(argument, "a number", value);
  const auto number = value.get<float>();
  if (std::isinf(number)) {
    refuse_value(argument, "a number that fits into float32 (3.4e38 at most)", value);
  }
  return number;
}

bool flag_of(const CallArgument& argument, const Json& value) {
  if (!value.is_boolean()) refuse_value(argument, "true or false", value);
  return value.get<bool>();
}

bool is_float32(const Json& dtype) {
  // Keras 3 may write a policy: {"class_name": "DTypePolicy", "config": {"name": "float32"}}.
  if (dtype.is_object()) {
    const Json config = dtype.value("config", Json());
    return config.is_object() && config.value("name", Json()) == "float32";
  }
  return dtype.is_null() || dtype == "float32";
}

}  // namespace sluice::optim
