// The class that a row of numbers stands for.
#pragma once

#include <cstdint>
#include <limits>

namespace sluice::backend::cpu {

// The place of the first largest of value(0), value(1), ..., as Keras' argmax on TensorFlow: NaN is
// passed over, and a row of nothing else is class 0.
template <typename Values>
int64_t first_largest(int64_t size, const Values& value) {
  int64_t best = 0;
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t j = 0; j < size; ++j) {
    if (value(j) > most) {
      most = value(j);
      best = j;
    }
  }
  return best;
}

}  // namespace sluice::backend::cpu
