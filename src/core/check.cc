#include "core/check.h"

#include <cstdio>
#include <cstdlib>

namespace sluice::core {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  message_ << "sluice: internal error at " << file << ":" << line << ": " << condition << " ";
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "%s\n", message_.str().c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace sluice::core
