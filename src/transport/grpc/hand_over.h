// Tells ThreadSanitizer what gRPC hands from one thread to another: it cannot see that, since a
// distribution's gRPC is not instrumented. Does nothing in other builds. Internal.
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace sluice::transport {

// Before gRPC is given what is at `address`.
inline void hand_over([[maybe_unused]] const void* address) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(const_cast<void*>(address));
#endif
}

// When gRPC gives it back, on whatever thread.
inline void take_over([[maybe_unused]] const void* address) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(const_cast<void*>(address));
#endif
}

}  // namespace sluice::transport
