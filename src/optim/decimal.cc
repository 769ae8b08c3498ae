#include "optim/decimal.h"

#include <charconv>

namespace sluice::optim {

double decimal_of(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double decimal = value;
  std::from_chars(text, end, decimal);
  return decimal;
}

float one_minus(float value) { return static_cast<float>(1.0 - decimal_of(value)); }

}  // namespace sluice::optim
