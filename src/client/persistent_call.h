// A call that is made again until it is answered, as RetryMachine decides.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "client/retry_machine.h"
#include "core/log.h"
#include "core/reply.h"
#include "core/world.h"
#include "wire/parameters.h"

namespace sluice::client {

inline const Status& status_of(const Status& status) { return status; }
template <typename T>
const Status& status_of(const Result<T>& result) {
  return result.status();
}

// One call at a time; used, and destroyed, on its strand. Once it is destroyed or stopped, no
// answer comes.
template <typename Answer>
class PersistentCall {
 public:
  // Makes one attempt; must not keep the options.
  using Attempt = std::function<void(const wire::CallOptions&, core::Reply<Answer>)>;

  // `waiting_for`, if any, is told whom a wait is for once an answer is overdue or has failed, and
  // the empty string when that wait is over.
  PersistentCall(core::World& world, std::shared_ptr<core::Strand> strand,
                 std::function<void(const std::string&)> waiting_for = {})
      : world_(world),
        strand_(strand),
        waiting_for_(std::move(waiting_for)),
        alarm_(strand),
        overdue_(std::move(strand)) {}

  // `done` gets the first answer that is OK or will not pass, or, when `whom` ("the driver at
  // host:7070") has been silent for too long, UNAVAILABLE with its name. The log is told every few
  // seconds for whom this waits.
  void start(const std::string& whom, const RetryOptions& options, Attempt attempt,
             core::UniqueFunction<void(Answer)> done) {
    stop();
    whom_ = whom;
    attempt_ = std::move(attempt);
    done_ = std::move(done);
    machine_.emplace(options, world_.now(), world_.unique_number());
    lifetime_.emplace();
    try_once();
  }

  void stop() {
    lifetime_.reset();
    alarm_.clear();
    overdue_.clear();
    if (std::exchange(named_, false)) waiting_for_("");
    done_ = nullptr;
  }

 private:
  static constexpr core::Duration kOverdue = std::chrono::seconds(2);

  void name() {
    if (waiting_for_ && !std::exchange(named_, true)) waiting_for_(whom_);
  }

  void try_once() {
    if (!named_) overdue_.set(world_.now() + kOverdue, [this] { name(); });
    attempt_({.timeout = machine_->timeout(world_.now())},
             lifetime_->on(strand_, [this](Answer answer) { answered(std::move(answer)); }));
  }

  void answered(Answer answer) {
    const Status& status = status_of(answer);
    if (status.ok()) return finish(std::move(answer));
    const core::TimePoint now = world_.now();
    const auto again = machine_->after(status, now);
    if (!again) {
      if (!may_pass(status.code())) return finish(std::move(answer));
      return finish(silent_for(whom_, machine_->silence(now), status));
    }
    if (now - last_said_ >= kSayAgain) {
      last_said_ = now;
      SLUICE_LOG(warn, "{}",
                 client::waiting_for(whom_, machine_->silence(now), machine_->left(now), status));
    }
    name();
    alarm_.set(*again, [this] { try_once(); });
  }

  void finish(Answer answer) {
    auto done = std::exchange(done_, nullptr);
    stop();
    done(std::move(answer));  // may start the next call
  }

  core::World& world_;
  const std::shared_ptr<core::Strand> strand_;
  const std::function<void(const std::string&)> waiting_for_;
  std::string whom_;
  Attempt attempt_;
  core::UniqueFunction<void(Answer)> done_;
  std::optional<RetryMachine> machine_;
  std::optional<core::Lifetime> lifetime_;
  core::TimePoint last_said_{};
  bool named_ = false;  // waiting_for_ has been told
  core::Alarm alarm_, overdue_;
};

}  // namespace sluice::client
