// Exceptions of a job's description, or of an operation of the user's program, as a Status.
#pragma once

#include <exception>
#include <stdexcept>
#include <type_traits>

#include "sluice/status.h"

namespace sluice::worker {

// What `f` returns, a Status or nothing, which is OK. INVALID_ARGUMENT when it throws because a job
// makes no sense, INTERNAL for the rest.
template <typename F>
Status caught(F&& f) {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      f();
      return ok_status();
    } else {
      return f();
    }
  } catch (const std::invalid_argument& error) {
    return invalid_argument(error.what());
  } catch (const std::exception& error) {
    return internal_error(error.what());
  } catch (...) {
    return internal_error("something was thrown that is no std::exception");
  }
}

}  // namespace sluice::worker
