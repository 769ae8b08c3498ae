// Blocking forms of calls that answer now or later, for tests.
//
//   const Status created = await_status([&](auto reply) {
//     channel.create(request, options, std::move(reply));
//   });
//   const Result<FenceReply> fenced = await_result<FenceReply>([&](auto reply) {
//     channel.fence(request, options, std::move(reply));
//   });
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "core/reply.h"
#include "sluice/status.h"

namespace sluice {

// An answer that is on its way. The reply to be handed out is made once; it may be answered after
// the test has stopped waiting.
template <typename Answer>
class Awaited {
 public:
  core::Reply<Answer> reply() {
    return [promise = promise_](Answer answer) { promise->set_value(std::move(answer)); };
  }
  // Waits. Once.
  Answer get() { return answer_.get(); }
  bool is_there_within(std::chrono::nanoseconds time) const {
    return answer_.wait_for(time) == std::future_status::ready;
  }

 private:
  const std::shared_ptr<std::promise<Answer>> promise_ = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer_ = promise_->get_future();
};

// Calls `start` with a reply, and returns what it is answered with.
template <typename Answer, typename Start>
Answer await(Start&& start) {
  Awaited<Answer> awaited;
  std::forward<Start>(start)(awaited.reply());
  return awaited.get();
}

template <typename Start>
Status await_status(Start&& start) {
  return await<Status>(std::forward<Start>(start));
}

template <typename T, typename Start>
Result<T> await_result(Start&& start) {
  return await<Result<T>>(std::forward<Start>(start));
}

}  // namespace sluice
