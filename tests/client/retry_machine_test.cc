#include "client/retry_machine.h"

#include <gmock/gmock.h>

namespace sluice::client {
namespace {

using namespace std::chrono_literals;

constexpr core::TimePoint kStart{1h};

RetryMachine machine(const RetryOptions& options) { return {options, kStart, 1}; }

TEST(RetryMachineTest, RepeatsWhatMayPassAndNothingElse) {
  for (const StatusCode code :
       {StatusCode::kUnavailable, StatusCode::kDeadlineExceeded, StatusCode::kResourceExhausted}) {
    EXPECT_TRUE(machine({}).after({code, "x"}, kStart).has_value());
  }
  for (const StatusCode code :
       {StatusCode::kCancelled, StatusCode::kNotFound, StatusCode::kAborted,
        StatusCode::kFailedPrecondition, StatusCode::kInternal, StatusCode::kInvalidArgument}) {
    EXPECT_FALSE(machine({}).after({code, "x"}, kStart).has_value());
  }
}

TEST(RetryMachineTest, PausesDoubleUpToTheLargestLessUpToHalfByChance) {
  core::Rng chance(3);
  const Backoff backoff{50ms, 1s};
  const core::Duration whole[] = {50ms, 100ms, 200ms, 400ms, 800ms, 1s, 1s};
  for (int attempt = 1; attempt <= 7; ++attempt) {
    for (int i = 0; i < 20; ++i) {
      const core::Duration pause = backoff.after(attempt, chance);
      EXPECT_GE(pause, whole[attempt - 1] / 2);
      EXPECT_LE(pause, whole[attempt - 1]);
    }
  }
  EXPECT_LE(backoff.after(1000, chance), 1s);
}

TEST(RetryMachineTest, SilenceOfThirtySecondsEndsAtThirtySeconds) {
  RetryMachine retry = machine({.give_up_after = 30s});
  const auto last = retry.after(unavailable("refused"), kStart + 29999ms);
  ASSERT_TRUE(last.has_value());
  EXPECT_LE(*last, kStart + 30s) << "one more attempt at the end";
  EXPECT_FALSE(retry.after(unavailable("refused"), kStart + 30s).has_value());
}

TEST(RetryMachineTest, TimeInWhichThisProcessWasStoppedIsNotThePeers) {
  RetryMachine retry = machine({.give_up_after = 30s});
  const core::TimePoint late = kStart + retry.timeout(kStart) + 10min;
  const auto again = retry.after(unavailable("reset"), late);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(retry.silence(late), 0s);
  const core::TimePoint later = *again + 10min;
  EXPECT_EQ(retry.timeout(later), 6s) << "nor in the pause before it";
  EXPECT_EQ(retry.silence(later), 0s);
  EXPECT_TRUE(retry.after(unavailable("reset"), later + 6s).has_value());
  EXPECT_EQ(retry.silence(later + 6s), 6s);
}

TEST(RetryMachineTest, AnAttemptTakesNoMoreThanAFifthOfAllNorWhatIsLeftNorTheLongest) {
  EXPECT_EQ(machine({.give_up_after = 30s}).timeout(kStart), 6s);
  EXPECT_EQ(machine({.give_up_after = 30s}).timeout(kStart + 15s), 6s);
  EXPECT_EQ(machine({.give_up_after = 30s}).timeout(kStart + 25s), 5s);
  EXPECT_EQ(machine({.give_up_after = 60s, .longest_attempt = 2s}).timeout(kStart), 2s);
  EXPECT_EQ(machine({.give_up_after = 3s}).timeout(kStart + 3s), 100ms) << "a network needs some";
  EXPECT_EQ(machine({.give_up_after = 30ms}).timeout(kStart), 6ms);
}

TEST(RetryMachineTest, PatienceMayBeEndless) {
  RetryMachine retry = machine({.give_up_after = core::Duration::max()});
  const auto again = retry.after(unavailable("refused"), kStart + 24h);
  ASSERT_TRUE(again.has_value());
  EXPECT_LE(*again, kStart + 24h + 50ms);
}

TEST(RetryMachineTest, ASilentPeerIsNamedWithTheLastFailure) {
  EXPECT_EQ(silent_for("the driver at host:7070", 30200ms, unavailable("connection refused")),
            unavailable("the driver at host:7070 has not answered for 30 s: connection refused"));
}

TEST(RetryMachineTest, WhoIsNamedByTheFailureIsNamedOnce) {
  const auto said = [](const char* failure) {
    return silent_for("the driver at host:70", 30s, unavailable(failure)).message();
  };
  EXPECT_EQ(said("driver at host:70 does not answer (connection refused)"),
            "the driver at host:70 has not answered for 30 s (connection refused)");
  EXPECT_EQ(said("driver at host:70 broke off the call (reset)"),
            "the driver at host:70 has not answered for 30 s: broke off the call (reset)");
  EXPECT_EQ(said("driver at host:7070 does not answer (reset)"),
            "the driver at host:70 has not answered for 30 s: driver at host:7070 does not answer "
            "(reset)");
  EXPECT_EQ(who_failed("server at a:1", unavailable("server at a:1 does not answer (reset)")),
            "server at a:1, which does not answer (reset)");
  EXPECT_EQ(who_failed("the driver at a:1", unavailable("broken pipe")),
            "the driver at a:1: broken pipe");
}

}  // namespace
}  // namespace sluice::client
