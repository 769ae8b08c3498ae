// Tells the driver once a second that this member lives and what it does, and learns from the
// answer whether it may go on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/clock.h"
#include "wire/control.h"

namespace sluice::wire {

struct HeartbeatOptions {
  core::Duration interval = std::chrono::seconds(1);
  core::Duration give_up_after = std::chrono::seconds(30);  // of silence from the driver
};

// Thread-safe. Its thread runs from construction to destruction.
class Heartbeat {
 public:
  // `on_end` runs once, on the heartbeat's thread, when the member must stop: the driver said so,
  // does not know the member any more, or has been silent for too long.
  Heartbeat(std::shared_ptr<ControlChannel> driver, int64_t member, const HeartbeatOptions& options,
            std::function<void(Status)> on_end);
  ~Heartbeat();

  void hold(const Lease& lease);  // from now on renew this lease
  void release();
  void set_step(int64_t step) { step_.store(step, std::memory_order_relaxed); }
  void set_waiting_for(std::string whom);
  // Whether the lease that is held was taken away.
  bool lease_lost() const { return lease_lost_.load(); }

 private:
  void run();
  void beat();
  void end(Status status);

  const std::shared_ptr<ControlChannel> driver_;
  const int64_t member_;
  const HeartbeatOptions options_;
  const std::function<void(Status)> on_end_;

  std::atomic<int64_t> step_{0};
  std::atomic<bool> lease_lost_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;        // guarded by mutex_
  bool ended_ = false;           // guarded by mutex_
  HeartbeatRequest state_;       // guarded by mutex_
  core::TimePoint last_answer_;  // of the heartbeat's thread
  core::TimePoint last_said_{};  // likewise: when the log was told of a silent driver

  std::thread thread_;  // last: uses everything above
};

}  // namespace sluice::wire
