// What went wrong in the world outside the program: a peer gone, a deadline passed, a file damaged.
//
// Inside the library, functions that can fail for such reasons return Status, or Result<T> when
// they also return a value. The C++ API turns them into RuntimeError; mistakes in the program
// itself (shapes, options) throw sluice::ShapeError or std::invalid_argument. See sluice/errors.h.
//
//   Result<Checkpoint> read = read_checkpoint(path);
//   if (!read.ok()) return read.status().with_context("--resume");
//   use(*read);
//
// Values of both types are copied and moved freely; one object is used by one thread at a time.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/cplusplus.h"

namespace sluice {

// Numerically equal to gRPC's codes, so that a Status crosses a call unchanged. Which code means
// what is said by each function that returns one; in general:
//
//   kInvalidArgument     the request makes no sense, whenever it comes
//   kFailedPrecondition  it makes sense, but not now or not here: another job, a newer format
//   kNotFound            a file, a device or a shard that is not there
//   kUnavailable         nobody answered; the same call may succeed later
//   kDeadlineExceeded    no answer in time
//   kAborted             somebody else has taken over: give up what this call belongs to
//   kDataLoss            a file or a message that is damaged
//   kInternal            a bug in Sluice
enum class StatusCode : int {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

// The code's name as gRPC writes it: "OK", "DEADLINE_EXCEEDED".
std::string_view to_string(StatusCode code);

// A code and, unless it is kOk, one line for people: what, where, what to do. The compiler warns
// when a returned Status is not looked at.
class [[nodiscard]] Status {
 public:
  // OK.
  Status() = default;
  // `message`: one line without a full stop, without the code's name in front.
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  // Empty when ok().
  const std::string& message() const { return message_; }

  // "OK" or "UNAVAILABLE: server 0 at 127.0.0.1:7000 does not answer".
  std::string to_string() const;

  // This status with `context` and a colon in front of its message; OK stays OK. For the caller
  // who knows what the failed call was for.
  Status with_context(std::string_view context) const;

  friend bool operator==(const Status& a, const Status& b) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// Writes to_string().
std::ostream& operator<<(std::ostream& out, const Status& status);

// A Status of the code that each is named after, with the message `m`.
inline Status ok_status() { return {}; }
inline Status invalid_argument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status not_found(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status unavailable(std::string m) { return {StatusCode::kUnavailable, std::move(m)}; }
inline Status failed_precondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
inline Status deadline_exceeded(std::string m) {
  return {StatusCode::kDeadlineExceeded, std::move(m)};
}
inline Status data_loss(std::string m) { return {StatusCode::kDataLoss, std::move(m)}; }
inline Status cancelled(std::string m) { return {StatusCode::kCancelled, std::move(m)}; }
inline Status internal_error(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

// A T, or the Status that says why there is none. Converts from either, so that a function that
// returns Result<T> ends with `return value;` or `return not_found("...");`.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: meant to be implicit
  // A failure. One made from an OK status is an INTERNAL error instead: it never holds OK.
  Result(Status status) : status_(std::move(status)) {  // NOLINT: meant to be implicit
    if (status_.ok()) status_ = internal_error("Result made from an OK status");
  }

  // Whether there is a value.
  bool ok() const { return value_.has_value(); }
  // Why there is none; OK when there is one.
  const Status& status() const { return status_; }

  // The value. Throws std::bad_optional_access on a failed result: check ok() first.
  T& operator*() & { return value_.value(); }
  const T& operator*() const& { return value_.value(); }
  T&& operator*() && { return std::move(value_).value(); }
  T* operator->() { return &value_.value(); }
  const T* operator->() const { return &value_.value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

// Returns the status of `expr`, an expression of type Status, from the enclosing function unless it
// is OK. That function returns Status or a Result.
#define SLUICE_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                         \
    if (::sluice::Status sluice_status_ = (expr); !sluice_status_.ok()) return sluice_status_; \
  } while (0)

#define SLUICE_CONCAT_INNER_(a, b) a##b
#define SLUICE_CONCAT_(a, b) SLUICE_CONCAT_INNER_(a, b)

// SLUICE_ASSIGN_OR_RETURN(auto x, make_x()): declares x, or returns the status of make_x(), which
// returns a Result. Expands to several statements, so it cannot be the only one behind an `if`.
#define SLUICE_ASSIGN_OR_RETURN(lhs, expr) \
  SLUICE_ASSIGN_OR_RETURN_IMPL_(SLUICE_CONCAT_(sluice_result_, __LINE__), lhs, expr)
#define SLUICE_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                  \
  if (!result.ok()) return result.status();              \
  lhs = *std::move(result)

}  // namespace sluice
