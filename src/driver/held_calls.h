// Calls of members whose answers are kept back: one of each member, each until its time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/clock.h"
#include "core/reply.h"

namespace sluice::driver {

template <typename Request, typename Answer>
class HeldCalls {
 public:
  struct Call {
    Request request;
    core::Reply<Result<Answer>> reply;
  };

  // Holds the call until then. Returns the one that was held for the same member before: its caller
  // has given it up, but it must be answered.
  std::optional<Call> hold(Call call, core::TimePoint until) {
    const int64_t member = call.request.member;
    std::optional<Call> before = take(member);
    by_time_.emplace(until, member);
    calls_.emplace(member, Held{std::move(call), until});
    return before;
  }

  std::optional<Call> take(int64_t member) {
    auto held = calls_.extract(member);
    if (held.empty()) return std::nullopt;
    by_time_.erase({held.mapped().until, member});
    return std::move(held.mapped().call);
  }
  // The one whose time comes first.
  std::optional<Call> take_first() {
    return calls_.empty() ? std::nullopt : take(by_time_.begin()->second);
  }
  // One whose time has come.
  std::optional<Call> take_due(core::TimePoint now) {
    return next_due() <= now ? take_first() : std::nullopt;
  }

  bool empty() const { return calls_.empty(); }
  core::TimePoint next_due() const {
    return calls_.empty() ? core::TimePoint::max() : by_time_.begin()->first;
  }

 private:
  struct Held {
    Call call;
    core::TimePoint until;
  };
  std::map<int64_t, Held> calls_;  // by member
  std::set<std::pair<core::TimePoint, int64_t>> by_time_;
};

}  // namespace sluice::driver
