// Turns what a call throws into its answer, since nothing throws across an RPC.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "sluice/status.h"

namespace sluice::server {

// What `call` returns, a Status or a Result. RESOURCE_EXHAUSTED when memory runs out, INTERNAL for
// any other exception. `what` begins the message.
template <typename Call>
auto guarded(const char* what, Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kResourceExhausted,
                  std::string(what) + ": the server is out of memory");
  } catch (const std::exception& error) {
    return internal_error(std::string(what) + ": " + error.what());
  } catch (...) {  // a program's own rule may throw anything
    return internal_error(std::string(what) + ": something was thrown that is no std::exception");
  }
}

}  // namespace sluice::server
