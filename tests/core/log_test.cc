#include "core/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

namespace sluice::log {
namespace {

TEST(LogTest, LinesGoToStandardErrorWithTheRole) {
  set_role("worker 7");
  testing::internal::CaptureStderr();
  SLUICE_LOG(info, "trained {} samples", 42);
  set_role("server 1");
  SLUICE_LOG(warn, "slow");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::HasSubstr("I worker 7 | trained 42 samples\n"));
  EXPECT_THAT(text, testing::HasSubstr("W server 1 | slow\n"));
}

TEST(LogTest, LevelHidesWhatIsBelowIt) {
  set_role("driver");
  set_level("error");
  testing::internal::CaptureStderr();
  SLUICE_LOG(warn, "hidden");
  SLUICE_LOG(error, "shown");
  const std::string text = testing::internal::GetCapturedStderr();
  set_level("info");
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("hidden")));
  EXPECT_THAT(text, testing::HasSubstr("shown"));
}

// Standard error as a pipe that nobody reads yet.
TEST(LogTest, NobodyWaitsForAFullPipeAndWhatWasLostIsCounted) {
  set_role("driver");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_GT(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
  const int before = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  for (int i = 0; i < 500; ++i) SLUICE_LOG(info, "line {}", i);
  std::string text(1 << 16, '\0');
  const auto read_all = [&] {
    text.resize(static_cast<size_t>(read(ends[0], text.data(), 1 << 16)));
  };
  read_all();
  EXPECT_THAT(text, testing::HasSubstr("line 0\n"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("line 499\n")));
  const auto kept = std::count(text.begin(), text.end(), '\n');
  SLUICE_LOG(info, "somebody reads again");
  text.resize(1 << 16);
  read_all();
  dup2(before, STDERR_FILENO);
  for (const int fd : {before, ends[0], ends[1]}) close(fd);
  EXPECT_THAT(text, testing::StartsWith("(" + std::to_string(500 - kept) + " lines were lost"));
  EXPECT_THAT(text, testing::HasSubstr("somebody reads again\n"));
}

TEST(LogTest, UnknownLevelIsRefused) { EXPECT_THROW(set_level("loud"), std::invalid_argument); }

}  // namespace
}  // namespace sluice::log
