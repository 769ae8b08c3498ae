// What tests say of exceptions.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace sluice {

// what() of the Error that `action` throws, or "nothing was thrown".
template <typename Error = std::invalid_argument>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace sluice
