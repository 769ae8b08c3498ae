// How deeply a JSON text is nested, without parsing it.
//
// Parsers build what they read, and what they built is walked by recursion: some hundred thousand
// brackets from the network would end the process. Readers of such texts ask first.
#pragma once

#include <string>
#include <string_view>

namespace sluice::core {

// More than anything that Sluice writes.
inline constexpr int kJsonLevels = 64;

// Whether objects and arrays are nested more than `levels` deep: "[[1]]" is two levels. Brackets in
// strings are text. The answer for text that is not JSON is unspecified: parsing it will fail.
bool deeper_than(std::string_view json, int levels);

// What is wrong with a text that is nested more than kJsonLevels deep; empty: nothing.
std::string check_json_depth(std::string_view json);

}  // namespace sluice::core
