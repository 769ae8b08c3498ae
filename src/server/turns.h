// Whose turn it is at a shard: calls have it in the order in which they came, one at a time, or
// beside one another where they say so.
//
// A call that comes when it cannot have its turn yet is held, so that no thread waits; the thread
// that ends a turn serves the next call. No call can come between the end of one turn and the
// beginning of the next, so none is decided before its turn, and none overtakes another that is
// held.
//
// Plain decisions without threads; the shard makes them under its lock.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace sluice::server {

template <typename Call>
class Turns {
 public:
  // Whose turn may be at the same time as others': those of other numbers. nullopt: nobody's.
  using Beside = std::optional<int64_t>;

  // A call has come. True: it is its turn, until finish(). False: it has been moved from and is
  // held. Throws std::bad_alloc, and then it has not come.
  bool arrive(Call& call, Beside beside = {}) {
    taken_.reserve(taken_.size() + 1);  // finish() must not throw
    if (!held_.empty() || !may_begin(beside)) {
      held_.push_back({std::move(call), beside});
      return false;
    }
    taken_.push_back(beside);
    return true;
  }

  // A call that arrived with `beside` has been answered: one whose turn it is now, if there is.
  std::optional<Call> finish(Beside beside = {}) noexcept {
    taken_.erase(std::find(taken_.begin(), taken_.end(), beside));
    if (held_.empty() || !may_begin(held_.front().beside)) return std::nullopt;
    taken_.push_back(held_.front().beside);
    std::optional<Call> next = std::move(held_.front().call);
    held_.pop_front();
    return next;
  }

  // Those that are held, which have their turn no more.
  std::vector<Call> drop_held() {
    std::vector<Call> calls;
    calls.reserve(held_.size());
    for (Held& held : held_) calls.push_back(std::move(held.call));
    held_.clear();
    return calls;
  }

  // How many have their turn: not 0 as long as anything is held.
  size_t taken() const { return taken_.size(); }
  size_t held() const { return held_.size(); }

 private:
  struct Held {
    Call call;
    Beside beside;
  };

  bool may_begin(Beside beside) const {
    if (!beside) return taken_.empty();
    return std::none_of(taken_.begin(), taken_.end(),
                        [&](const Beside& other) { return !other || other == beside; });
  }

  std::vector<Beside> taken_;
  std::deque<Held> held_;
};

}  // namespace sluice::server
