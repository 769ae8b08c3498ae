// The answer that a caller waits for: given exactly once, now or later, from any thread.
//
//   void join(const JoinRequest& request, Reply<Result<JoinReply>> reply);
//
// Whoever holds a Reply owes its answer. Destroying one that has not been answered aborts the
// process: its caller would wait until its deadline, and nothing would tell why. Only an exception
// that is being thrown may destroy one: then whoever catches the exception has to answer.
#pragma once

#include <exception>
#include <utility>

#include "core/check.h"
#include "core/unique_function.h"
#include "sluice/status.h"

namespace sluice::core {

// `Answer` is Status or Result<T>. Moved, never copied.
template <typename Answer>
class Reply {
 public:
  Reply() = default;  // owes nothing
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Reply> &&
           std::is_invocable_v<std::remove_cvref_t<F>&, Answer>) Reply(F&& f)
      : answer_(std::forward<F>(f)) {}  // NOLINT: meant to be implicit
  Reply(Reply&& other) noexcept : answer_(std::exchange(other.answer_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept {
    check_answered();
    answer_ = std::exchange(other.answer_, nullptr);
    return *this;
  }
  ~Reply() { check_answered(); }

  // Whether an answer is owed.
  explicit operator bool() const { return static_cast<bool>(answer_); }

  // Answers. Not twice.
  void operator()(Answer answer) {
    SLUICE_CHECK(answer_) << "a call is answered twice";
    auto call = std::exchange(answer_, nullptr);
    call(std::move(answer));
  }

 private:
  void check_answered() const {
    SLUICE_CHECK(!answer_ || std::uncaught_exceptions() > 0) << "a call was never answered";
  }

  UniqueFunction<void(Answer)> answer_;
};

}  // namespace sluice::core
