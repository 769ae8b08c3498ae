// What the text of a CSV file's cell says, and how it is shown inside a one-line message.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::data {

// A finite number, as Python's float() reads it, rounded to float32. nullopt: it is none, or is
// beyond float32.
std::optional<float> to_float(std::string_view text);

// Whether the text is a number as Python's float() reads it, be it too large, infinite or no number
// at all (nan).
bool is_number(std::string_view text);

// Whether the text is a number that to_float() refuses for its size alone.
bool is_beyond_float(std::string_view text);

// Whether the text is a number but for the comma that it has for a point: 1,5.
bool has_decimal_comma(std::string_view text);

// A whole number from 0 to most, however it is written: 7, 7.0, 70e-1.
std::optional<int> to_whole(std::string_view text, int most);

// The first characters in quotes, with ? for what cannot be shown.
std::string excerpt(std::string_view text);

// "a", "b" and 3 more: excerpts of the first ten names.
std::string list_names(const std::vector<std::string>& names);

}  // namespace sluice::data
