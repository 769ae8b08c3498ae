// SLUICE_CHECK(condition) << values: ends the process when an invariant of ours is broken.
//
// For what only a bug in Sluice can cause. Never for a user's input, a file or the network: those
// get a Status or an exception.
#pragma once

#include <sstream>

namespace sluice::core {

class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  [[noreturn]] ~CheckFailure();  // prints the message and aborts

  template <typename T>
  CheckFailure& operator<<(const T& value) {
    message_ << value;
    return *this;
  }

 private:
  std::ostringstream message_;
};

}  // namespace sluice::core

#define SLUICE_CHECK(condition) \
  if (condition) [[likely]] {   \
  } else                        \
    ::sluice::core::CheckFailure(__FILE__, __LINE__, #condition)
