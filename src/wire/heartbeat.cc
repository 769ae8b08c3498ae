#include "wire/heartbeat.h"

#include "core/log.h"
#include "core/process_info.h"

namespace sluice::wire {
namespace {
constexpr core::Duration kSayAgain = std::chrono::seconds(5);
}

Heartbeat::Heartbeat(std::shared_ptr<ControlChannel> driver, int64_t member,
                     const HeartbeatOptions& options, std::function<void(Status)> on_end)
    : driver_(std::move(driver)),
      member_(member),
      options_(options),
      on_end_(std::move(on_end)),
      last_answer_(std::chrono::steady_clock::now()) {
  state_.member = member;
  thread_ = std::thread([this] { run(); });
}

Heartbeat::~Heartbeat() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Heartbeat::hold(const Lease& lease) {
  std::lock_guard lock(mutex_);
  state_.partition = lease.partition;
  state_.incarnation = lease.incarnation;
  step_ = 0;
  lease_lost_ = false;
}

void Heartbeat::release() {
  std::lock_guard lock(mutex_);
  state_.partition = -1;
  lease_lost_ = false;
}

void Heartbeat::set_waiting_for(std::string whom) {
  std::lock_guard lock(mutex_);
  state_.waiting_for = std::move(whom);
}

void Heartbeat::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && !ended_) {
    lock.unlock();
    beat();
    lock.lock();
    wake_.wait_for(lock, options_.interval, [this] { return stopping_; });
  }
}

void Heartbeat::beat() {
  HeartbeatRequest request;
  {
    std::lock_guard lock(mutex_);
    request = state_;
  }
  request.step = step_.load(std::memory_order_relaxed);
  request.peak_memory_bytes = core::peak_memory_bytes();
  // Well below any lease: a call that hangs must leave time for another.
  const auto reply = driver_->heartbeat(request, {.timeout = options_.interval * 2});
  const auto now = std::chrono::steady_clock::now();
  if (!reply.ok()) {
    if (reply.status().code() == StatusCode::kNotFound) return end(reply.status());
    const auto silence = now - last_answer_;
    if (silence >= options_.give_up_after) {
      return end(unavailable("the driver at " + driver_->address() + " has not answered for " +
                             std::to_string(static_cast<int>(core::to_seconds(silence))) +
                             " s: " + reply.status().message()));
    }
    if (now - last_said_ >= kSayAgain) {
      last_said_ = now;
      SLUICE_LOG(warn, "waiting for the driver at {}: {}", driver_->address(),
                 reply.status().message());
    }
    return;
  }
  last_answer_ = now;
  if (reply->kind == HeartbeatReply::Kind::kAbort) return end(cancelled(reply->reason));
  if (reply->kind == HeartbeatReply::Kind::kLeaseLost) {
    std::lock_guard lock(mutex_);
    // Only if the answer is about the lease that is held now.
    if (state_.partition == request.partition && state_.incarnation == request.incarnation) {
      lease_lost_ = true;
    }
  }
}

void Heartbeat::end(Status status) {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  on_end_(std::move(status));
}

}  // namespace sluice::wire
