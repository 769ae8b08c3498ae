#include "core/suggestion.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace sluice::core {
namespace {

// Levenshtein's distance, two letters that have changed places counted once (optimal string
// alignment).
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1), above, before;
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, substituted});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row.back();
}

// A flag's name without its dashes.
std::string bare(const std::string& name) {
  const size_t begin = name.find_first_not_of('-');
  return begin == std::string::npos ? "" : name.substr(begin);
}

// With more wrong letters, anything resembles anything.
size_t most_wrong(size_t letters) {
  if (letters < 3) return 0;
  return letters < 5 ? 1 : std::max<size_t>(letters / 3, 2);
}

}  // namespace

std::string nearest(const std::string& wrong, const std::vector<std::string>& names) {
  const std::string asked = bare(wrong);
  std::string best;
  size_t limit = most_wrong(asked.size()) + 1;
  for (const std::string& name : names) {
    const size_t d = distance(asked, bare(name));
    if (d >= limit) continue;
    limit = d;
    best = name;
  }
  if (!best.empty() || asked.empty()) return best;
  std::vector<std::string> longer;  // that begin so
  for (const std::string& name : names) {
    if (bare(name).starts_with(asked)) longer.push_back(name);
  }
  return longer.size() == 1 ? longer.front() : "";
}

}  // namespace sluice::core
