// Whose turn it is at a shard: one call at a time, in the order in which they came.
//
// The call that comes while another has its turn is HELD, so that no thread waits with it; whoever
// ends the turn before it goes on with it. Between the end of one turn and the beginning of the
// next nobody can get in, which is why no call is decided before its turn.
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
