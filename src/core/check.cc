#include "core/check.h"

#include <cstdlib>

#include "core/standard_error.h"

namespace sluice::core {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  message_ << "sluice: internal error at " << file << ":" << line << ": " << condition << " ";
}

CheckFailure::~CheckFailure() {
  write_to_standard_error(message_.str() + "\n");
  std::abort();
}

}  // namespace sluice::core
