#include "client/persistent_call.h"

#include <gmock/gmock.h>

#include <deque>
#include <optional>
#include <sstream>

#include "tests/support/manual_world.h"

namespace sluice::client {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class PersistentCallTest : public testing::Test {
 protected:
  void start(const RetryOptions& options = {}) {
    call_.start(
        "the driver at driver:1", options,
        [this](const wire::CallOptions& attempt, core::Reply<Status> reply) {
          timeouts_.push_back(attempt.timeout);
          if (answers_.empty()) return reply(always_);
          const Status next = answers_.front();
          answers_.pop_front();
          reply(next);
        },
        [this](Status status) { answer_ = std::move(status); });
  }

  ManualWorld world_;
  std::deque<Status> answers_;
  Status always_;  // when there are no more
  std::vector<core::Duration> timeouts_;
  std::optional<Status> answer_;
  std::vector<std::string> waits_;
  PersistentCall<Status> call_{world_, world_.make_strand("test"),
                               [this](const std::string& whom) { waits_.push_back(whom); }};
};

TEST_F(PersistentCallTest, RepeatsACallThatFailsInAWayThatMayPass) {
  answers_ = {unavailable("connection reset"), deadline_exceeded("late")};
  start();
  world_.advance(1s);
  EXPECT_EQ(answer_, ok_status());
  EXPECT_EQ(timeouts_.size(), 3u);
}

TEST_F(PersistentCallTest, GivesAnyOtherFailureAtOnce) {
  answers_ = {failed_precondition("the lease was lost")};
  start();
  world_.run();
  EXPECT_EQ(answer_, failed_precondition("the lease was lost"));
  EXPECT_EQ(timeouts_.size(), 1u);
}

TEST_F(PersistentCallTest, GivesUpOnASilentDriverByName) {
  always_ = unavailable("refused");
  start({.give_up_after = 60s});
  world_.advance(60s - 1ns);
  EXPECT_EQ(answer_, std::nullopt);
  world_.advance(1ns);
  EXPECT_EQ(answer_, unavailable("the driver at driver:1 has not answered for 60 s: refused"));
}

TEST_F(PersistentCallTest, AnAttemptTakesAPartOfTheTime) {
  answers_ = {unavailable("refused")};
  start({.give_up_after = 3s});
  world_.advance(1s);
  EXPECT_THAT(timeouts_, testing::ElementsAre(600ms, 600ms));
}

TEST_F(PersistentCallTest, StoppedItIsSilent) {
  always_ = unavailable("refused");
  start({.give_up_after = 1h});
  world_.advance(1s);
  call_.stop();
  const size_t attempts = timeouts_.size();
  world_.advance(2h);
  EXPECT_EQ(answer_, std::nullopt);
  EXPECT_EQ(timeouts_.size(), attempts);
}

TEST_F(PersistentCallTest, AnAnswerThatIsOnItsWayWhenItIsStoppedIsNobodys) {
  start();
  call_.stop();
  world_.run();
  EXPECT_EQ(answer_, std::nullopt);
}

TEST_F(PersistentCallTest, SaysForWhomItWaitsOnceACallHasFailedAndThatTheWaitIsOver) {
  answers_ = {unavailable("refused"), unavailable("refused")};
  start();
  world_.run();
  EXPECT_THAT(waits_, testing::ElementsAre("the driver at driver:1"));
  world_.advance(1s);
  EXPECT_THAT(waits_, testing::ElementsAre("the driver at driver:1", ""));
}

TEST_F(PersistentCallTest, AndOnceAnAnswerIsOverdueHoweverTheWaitEnds) {
  core::Reply<Status> held;
  call_.start(
      "the driver at driver:1", {},
      [&](const wire::CallOptions&, core::Reply<Status> reply) { held = std::move(reply); },
      [](const Status&) {});
  world_.advance(2s - 1ns);
  EXPECT_TRUE(waits_.empty());
  world_.advance(1ns);
  EXPECT_THAT(waits_, testing::ElementsAre("the driver at driver:1"));
  call_.stop();
  EXPECT_THAT(waits_, testing::ElementsAre("the driver at driver:1", ""));
  held(ok_status());
}

TEST_F(PersistentCallTest, TheLogHearsEveryFewSecondsForWhomItWaits) {
  always_ = unavailable("refused");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  start({.give_up_after = 1h});
  world_.advance(12s);
  const std::string log =
      testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
  std::vector<std::string> lines;
  std::istringstream stream(log);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line.substr(line.find("waiting")));
  }
  ASSERT_EQ(lines.size(), 3u) << log;
  EXPECT_EQ(lines[0], "waiting for the driver at driver:1: refused; given up in 3600 s");
  EXPECT_THAT(lines[2], testing::MatchesRegex(
                            "waiting 1[0-2] s for the driver at driver:1: refused; given up in "
                            "35[0-9]+ s"));
}

TEST_F(PersistentCallTest, TheNextCallMayBeginInTheAnswerToThisOne) {
  int calls = 0;
  std::function<void(Status)> again = [&](const Status&) {
    if (++calls == 3) return;
    call_.start(
        "x", {}, [](const wire::CallOptions&, core::Reply<Status> reply) { reply(ok_status()); },
        again);
  };
  again(ok_status());
  world_.run();
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace sluice::client
