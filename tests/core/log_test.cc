#include "core/log.h"

#include <gmock/gmock.h>

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

TEST(LogTest, UnknownLevelIsRefused) { EXPECT_THROW(set_level("loud"), std::invalid_argument); }

}  // namespace
}  // namespace sluice::log
