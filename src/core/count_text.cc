#include "core/count_text.h"

#include <fmt/core.h>

namespace sluice::core {

std::string with_separators(int64_t value) {
  std::string text = std::to_string(value);
  for (int i = static_cast<int>(text.size()) - 3; i > (value < 0 ? 1 : 0); i -= 3) {
    text.insert(static_cast<size_t>(i), ",");
  }
  return text;
}

std::string counted(int64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", with_separators(count), count == 1 ? one : many);
}

}  // namespace sluice::core
