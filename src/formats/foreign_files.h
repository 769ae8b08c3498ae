// Models of other programs, which Sluice does not read: what they are, and what to do with them.
#pragma once

#include <string>
#include <string_view>

namespace sluice::formats {

// Behind the file's name in a message, by how the file begins; null: it is none of these that are
// known. `path` alone tells what TensorFlow's frozen graphs are.
const char* foreign_file(const std::string& path, std::string_view file);
// Likewise of a folder; null where the path is none.
const char* foreign_folder(const std::string& path);

}  // namespace sluice::formats
