#include "wire/patience.h"

#include <gmock/gmock.h>

#include <deque>

namespace sluice::wire {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Answers with one status after the other, at last OK.
struct Script {
  std::deque<Status> answers;
  int calls = 0;
  Status operator()(const CallOptions&) {
    ++calls;
    if (answers.empty()) return ok_status();
    Status next = answers.front();
    answers.pop_front();
    return next;
  }
};

TEST(PatienceTest, RepeatsACallThatFailsInAWayThatMayPass) {
  Script script{{unavailable("connection reset"), deadline_exceeded("late")}};
  EXPECT_TRUE(call_patiently("driver:1", {}, std::ref(script)).ok());
  EXPECT_EQ(script.calls, 3);
}

TEST(PatienceTest, ReturnsAnyOtherFailureAtOnce) {
  Script script{{failed_precondition("the lease was lost")}};
  EXPECT_EQ(call_patiently("driver:1", {}, std::ref(script)),
            failed_precondition("the lease was lost"));
  EXPECT_EQ(script.calls, 1);
}

TEST(PatienceTest, GivesUpOnASilentDriverByName) {
  const auto start = std::chrono::steady_clock::now();
  const Status status =
      call_patiently("driver:1", {.give_up_after = 60ms},
                     [](const CallOptions&) -> Status { return unavailable("refused"); });
  EXPECT_GE(std::chrono::steady_clock::now() - start, 60ms);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("the driver at driver:1 has not answered for"));
  EXPECT_THAT(status.message(), HasSubstr("refused"));
}

TEST(PatienceTest, StopEndsIt) {
  bool stop = false;
  const Status status =
      call_patiently("driver:1", {.give_up_after = 1h, .stop = [&] { return stop; }},
                     [&](const CallOptions&) -> Status {
                       stop = true;
                       return unavailable("refused");
                     });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
}

TEST(PatienceTest, AnAttemptTakesNoMoreThanWhatIsLeftOrTheLongest) {
  EXPECT_LE(Patience("driver:1", {.give_up_after = 3s}).attempt().timeout, 3s);
  EXPECT_EQ(Patience("driver:1", {.give_up_after = 60s, .longest_attempt = 2s}).attempt().timeout,
            2s);
}

TEST(PatienceTest, TimeStartsAnewWhenTheDriverWasHeard) {
  Patience patience("driver:1", {.give_up_after = 200ms});
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < 300ms) {
    patience.heard();
    ASSERT_TRUE(patience.after(unavailable("broke off")).ok());
  }
}

}  // namespace
}  // namespace sluice::wire
