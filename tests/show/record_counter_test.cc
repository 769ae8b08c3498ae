#include "show/record_counter.h"

#include <gtest/gtest.h>

namespace sluice::show {
namespace {

using namespace std::chrono_literals;

TEST(RecordCounterTest, TellsOnceASecondAndWipesItOut) {
  testing::internal::CaptureStderr();
  const core::TimePoint t{};
  {
    RecordCounter counter(20000, true, t);
    counter.add(1000, t + 900ms);
    counter.add(1000, t + 1s);
    counter.add(1000, t + 1500ms);
    counter.add(1000, t + 2s);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "\r2,000 of 20,000 records\r4,000 of 20,000 records\r\033[K");
}

TEST(RecordCounterTest, SaysNothingOfShortWorkOrWhereNobodyWaits) {
  testing::internal::CaptureStderr();
  const core::TimePoint t{};
  RecordCounter(0, true, t).add(5, t + 100ms);
  RecordCounter(0, false, t).add(5, t + 10s);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace sluice::show
