#include "data/csv_cells.h"

#include <fmt/core.h>
#include <locale.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

namespace sluice::data {
namespace {

// The bytes of the character in UTF-8 that a text begins with; 0: none that can be shown.
size_t shown_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= ' ' && first != 0x7F ? 1 : 0;
  const size_t bytes = first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  for (size_t i = 1; i < bytes; ++i) {
    if (byte(i) >> 6 != 2) return 0;
  }
  return first == 0xC2 && byte(1) < 0xA0 ? 0 : bytes;  // U+0080 to U+009F are controls
}

// As Python's float() reads it; infinite where it is too large, nullopt where it is no number.
std::optional<double> to_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (rest != end) return {};
  if (error == std::errc::result_out_of_range) {
    // Too large or too small, which from_chars does not say; with a point in every locale.
    static const locale_t kC = ::newlocale(LC_ALL_MASK, "C", nullptr);
    return ::strtod_l(std::string(text).c_str(), nullptr, kC);
  }
  if (error != std::errc()) return {};
  return value;
}

}  // namespace

std::optional<float> to_float(std::string_view text) {
  const auto number = to_number(text);
  const auto value = static_cast<float>(number.value_or(NAN));
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool is_number(std::string_view text) { return to_number(text).has_value(); }

bool is_beyond_float(std::string_view text) {
  const double number = to_number(text).value_or(NAN);
  const bool is_written_out = text.find_first_of("0123456789") != text.npos;  // not "inf"
  return is_written_out && !std::isnan(number) && !std::isfinite(static_cast<float>(number));
}

bool has_decimal_comma(std::string_view text) {
  const size_t comma = text.find(',');
  if (comma == text.npos) return false;
  std::string number(text);
  number[comma] = '.';
  return to_float(number).has_value();
}

std::optional<int> to_whole(std::string_view text, int most) {
  unsigned digits = 0, whole = 0;
  for (; digits < std::min<size_t>(text.size(), 9); ++digits) {
    const auto digit = static_cast<unsigned char>(text[digits] - '0');
    if (digit > 9) break;
    whole = 10 * whole + digit;
  }
  if (digits > 0 && digits == text.size()) {
    return whole <= static_cast<unsigned>(most) ? std::optional(static_cast<int>(whole))
                                                : std::nullopt;
  }
  const double number = to_number(text).value_or(-1);
  if (!(number >= 0 && number <= most) || number != std::floor(number)) return {};
  return static_cast<int>(number);
}

std::string excerpt(std::string_view text) {
  constexpr size_t kMostCharacters = 24;
  std::string out;
  for (size_t characters = 0; !text.empty() && characters < kMostCharacters; ++characters) {
    const size_t bytes = shown_character(text);
    out += bytes == 0 ? "?" : text.substr(0, bytes);
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return fmt::format("\"{}{}\"", out, text.empty() ? "" : "...");
}

std::string list_names(const std::vector<std::string>& names) {
  constexpr size_t kMost = 10;
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    list += (i == 0 ? "" : ", ") + excerpt(names[i]);
  }
  if (names.size() > kMost) list += fmt::format(" and {} more", names.size() - kMost);
  return list;
}

}  // namespace sluice::data
