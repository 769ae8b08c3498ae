#include "wire/patience.h"

#include <algorithm>
#include <thread>

#include "core/log.h"

namespace sluice::wire {
namespace {

constexpr core::Duration kSayAgain = std::chrono::seconds(5);
constexpr core::Duration kShortestAttempt = std::chrono::milliseconds(100);
constexpr core::Duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr core::Duration kLargestBackoff = std::chrono::seconds(1);

core::TimePoint now() { return std::chrono::steady_clock::now(); }

}  // namespace

Patience::Patience(std::string driver, PatienceOptions options)
    : driver_(std::move(driver)),
      options_(std::move(options)),
      last_heard_(now()),
      backoff_(kFirstBackoff) {}

core::Duration Patience::silence() const { return now() - last_heard_; }

CallOptions Patience::attempt() const {
  const core::Duration left = std::max(options_.give_up_after - silence(), kShortestAttempt);
  return {.timeout = std::min(left, options_.longest_attempt)};
}

void Patience::heard() {
  last_heard_ = now();
  backoff_ = kFirstBackoff;
}

Status Patience::after(const Status& failed) {
  if (failed.code() != StatusCode::kUnavailable && failed.code() != StatusCode::kDeadlineExceeded) {
    return failed;
  }
  if (silence() >= options_.give_up_after) {
    return unavailable("the driver at " + driver_ + " has not answered for " +
                       std::to_string(static_cast<int>(core::to_seconds(silence()))) +
                       " s: " + failed.message());
  }
  if (now() - last_said_ >= kSayAgain) {
    last_said_ = now();
    SLUICE_LOG(warn, "waiting for the driver at {}: {}", driver_, failed.message());
  }
  pause();
  return options_.stop() ? cancelled("stopped") : ok_status();
}

void Patience::pause() {
  const auto until = now() + std::min(backoff_, options_.give_up_after - silence());
  backoff_ = std::min(2 * backoff_, kLargestBackoff);
  while (!options_.stop() && now() < until) {
    std::this_thread::sleep_for(std::clamp<core::Duration>(until - now(), core::Duration(0),
                                                           std::chrono::milliseconds(10)));
  }
}

}  // namespace sluice::wire
