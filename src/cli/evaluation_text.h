// What `sluice evaluate` prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/metrics.h"

namespace sluice::cli {

struct Evaluation {
  Metrics metrics;
  int64_t records = 0;
  std::string dataset;
  std::vector<std::string> class_names;
  bool shows_matrices = false;  // whole, as somebody asked for
};

// For people: the metrics, and of each class how many records it has, precision, recall, F1 and
// what it was most often taken for.
std::string text_of(const Evaluation& evaluation);
// The same as JSON, with the matrices; NaN and infinity are null.
std::string json_of(const Evaluation& evaluation);

}  // namespace sluice::cli
