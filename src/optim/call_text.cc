#include "optim/call_text.h"

#include <fmt/core.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "optim/lower_case.h"

namespace sluice::optim {
namespace {

using Json = nlohmann::ordered_json;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

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

  [[noreturn]] void fail(const char* what) const {
    throw std::invalid_argument(fmt::format("\"{}\": {} at character {}", text_, what, at_ + 1));
  }

  // The next character that is no space; '\0' at the end.
  char next() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
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
    at_ = end + 1;
    return text;
  }

  Json list() {
    Json values = Json::array();
    while (!take(']')) {
      values.push_back(value());
      if (!take(',') && next() != ']') fail("expected \",\" or \"]\"");
    }
    return values;
  }

  Json value() {
    if (++depth_ > kDeepest) fail("nested too deeply");
    Json json;
    if (take('[')) {
      json = list();
    } else if (next() == '"' || next() == '\'') {
      const char quote = text_[at_++];
      json = quoted(quote);
    } else if (is_letter(next())) {
      const std::string name = word();
      const std::string lower = lower_case(name);
      if (lower == "true" || lower == "false") {
        json = lower == "true";
      } else if (lower != "none" && lower != "null") {
        json = call(name);
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
        const std::string key = word();
        if (config.contains(key)) fail("an argument that is there before");
        if (!take('=')) fail("expected \"=\"");
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

}  // namespace

Json parse_call(const std::string& text) { return Parser(text).whole(); }

}  // namespace sluice::optim
