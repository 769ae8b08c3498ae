#include "train/suggestion.h"

#include <algorithm>
#include <cstddef>

namespace sluice::train {
namespace {

// Levenshtein's distance.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(const std::string& wrong, const std::vector<std::string>& names) {
  std::string best;
  // Two letters or a third of them may be wrong; with more, anything resembles anything.
  size_t limit = std::max<size_t>(wrong.size() / 3, 2) + 1;
  for (const std::string& name : names) {
    const size_t d = distance(wrong, name);
    if (d >= limit) continue;
    limit = d;
    best = name;
  }
  return best;
}

}  // namespace sluice::train
