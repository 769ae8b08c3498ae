// Whose turn it is at a shard: one call at a time, in the order in which they came.
//
// A call that comes while another has its turn is held, so that no thread waits; the thread that
// ends a turn serves the next call. No call can come between the end of one turn and the beginning
// of the next, so none is decided before its turn.
//
// Plain decisions without threads; the shard makes them under its lock.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace sluice::server {

template <typename Call>
class Turns {
 public:
  // A call has come. True: it is its turn, until finish(). False: it has been moved from and is
  // held. Throws std::bad_alloc, and then it has not come.
  bool arrive(Call& call) {
    if (taken_) {
      held_.push_back(std::move(call));
      return false;
    }
    taken_ = true;
    return true;
  }

  // The call whose turn it was has been answered: the one whose turn it is now, if there is one.
  std::optional<Call> finish() noexcept {
    std::optional<Call> next;
    taken_ = !held_.empty();
    if (taken_) {
      next.emplace(std::move(held_.front()));
      held_.pop_front();
    }
    return next;
  }

  bool taken() const { return taken_; }
  size_t held() const { return held_.size(); }

 private:
  bool taken_ = false;  // as long as anything is held
  std::deque<Call> held_;
};

}  // namespace sluice::server
