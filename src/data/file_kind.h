// What a file is by its first bytes, in words for people who gave another one than was expected.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::data {

// As many of the first bytes as file_kind() looks at.
inline constexpr size_t kKindBytes = 64;

// "a GIF picture"; "text" of what may be any; "bytes of no kind that is known here". With advice
// behind a colon where there is some: "a .npz archive: unpack the .npy that is meant".
std::string file_kind(std::string_view begin);

// Whether these bytes, the first ones of a file, can stand in a text.
bool may_be_text(std::string_view begin);

}  // namespace sluice::data
