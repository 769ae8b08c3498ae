// Metrics by name, as sluice/metrics.h says.
#pragma once

#include <string>
#include <vector>

#include "backend/metrics.h"

namespace sluice::nn {

// "auc", "precision(class_id=1, name=cats)", as optim/call_text.h has it; also a loss, whose mean
// it is then. Throws std::invalid_argument for a name or an option that there is not, and for a
// value out of range.
backend::Metric parse_metric(const std::string& text);

// "accuracy, precision(class_id=1, threshold=0.7)" at the commas outside of brackets, without
// blanks around. None of an empty text.
std::vector<std::string> split_metrics(const std::string& text);

// "classes:auc" is the metric "auc" of the output "classes", whose name may have a colon; without
// one it is of every output, "".
struct OutputMetric {
  std::string output, metric;
};
OutputMetric split_output(const std::string& text);

}  // namespace sluice::nn
