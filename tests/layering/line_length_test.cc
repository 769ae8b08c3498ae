// No line of sources and documents has more than 100 columns.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr size_t kColumns = 100;

// Not ours to lay out: what was built or recorded, and whatever else lies in a checkout.
bool is_looked_into(const fs::path& folder) {
  static const std::set<std::string> kOurs = {".ci",     "cmake", "docker", "docs", "examples",
                                              "include", "proto", "src",    "tests"};
  const fs::path relative = folder.lexically_relative(SLUICE_SOURCE_DIR);
  return kOurs.contains(relative.begin()->string()) && folder.filename() != "corpus";
}

bool is_text_of_ours(const fs::path& file) {
  static const std::set<std::string> kExtensions = {"",      ".cc", ".cmake", ".cu",  ".cuh",
                                                    ".cuda", ".h",  ".in",    ".md",  ".proto",
                                                    ".py",   ".sh", ".txt",   ".yaml"};
  return kExtensions.contains(file.extension().string());
}

// Characters, not bytes: those that continue one in UTF-8 do not count.
size_t columns(const std::string& line) {
  return static_cast<size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// A row of a table cannot be broken, nor can a link.
bool may_be_long(const std::string& line) {
  if (line.rfind('|', 0) == 0) return true;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const bool is_link =
        word.find("://") != std::string::npos || word.find("](") != std::string::npos;
    if (is_link && columns(word) > kColumns / 2) return true;
  }
  return false;
}

TEST(LineLengthTest, AtMostOneHundredColumns) {
  size_t lines = 0;
  for (auto it = fs::recursive_directory_iterator(SLUICE_SOURCE_DIR);
       it != fs::recursive_directory_iterator(); ++it) {
    if (it->is_directory()) {
      if (!is_looked_into(it->path())) it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || !is_text_of_ours(it->path())) continue;
    std::ifstream file(it->path());
    size_t number = 0;
    for (std::string line; std::getline(file, line); ++lines) {
      ++number;
      if (columns(line) <= kColumns || may_be_long(line)) continue;
      ADD_FAILURE() << it->path().string() << ":" << number << " has " << columns(line)
                    << " columns: break it at " << kColumns;
    }
  }
  EXPECT_GT(lines, 30000u) << "the sources were not found";
}

}  // namespace
}  // namespace sluice
