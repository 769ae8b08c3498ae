// What a ConcatenateOp comes to for a batch: rows of y, each of a piece of every input.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/values.h"

namespace sluice::backend {

struct Concatenation {
  int64_t rows = 1;               // of y, of what lies in front of the axis
  int64_t columns = 0;            // of y: the axis and what lies behind it
  std::vector<int64_t> pieces{};  // of each input, columns in all
};

Concatenation concatenation_of(const ConcatenateOp& op, int64_t batch, const StepValues& values);

}  // namespace sluice::backend
