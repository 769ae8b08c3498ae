#include "show/progress_view.h"

#include <gmock/gmock.h>

#include <cmath>

namespace sluice::show {
namespace {

using namespace std::chrono_literals;

TEST(ProgressViewTest, TimesAreWrittenAsKerasWritesThem) {
  EXPECT_EQ(format_seconds(0), "0s");
  EXPECT_EQ(format_seconds(59.4), "59s");
  EXPECT_EQ(format_seconds(61), "1:01");
  EXPECT_EQ(format_seconds(3723), "1:02:03");
  EXPECT_EQ(format_seconds(-5), "0s");
}

TEST(ProgressViewTest, LinesStyleWritesOneLineAnEpoch) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kLines, 2, 100, t);
  view.update(0, 50, 50, {0.5, 0.75}, t + 1s);
  view.epoch_end(0, {0.25, 0.875}, Metrics{0.5, 0.75}, t + 2s);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "Epoch 1/2 - 2s - 50 samples/s - loss: 0.2500 - accuracy: 0.8750 - val_loss: 0.5000 - "
            "val_accuracy: 0.7500\n");
}

TEST(ProgressViewTest, AnAccuracyThatThereIsNotIsNotShown) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kLines, 2, 100, t);
  view.epoch_end(0, {0.25, std::nan("")}, Metrics{0.5, std::nan("")}, t + 2s);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "Epoch 1/2 - 2s - 50 samples/s - loss: 0.2500 - val_loss: 0.5000\n");
}

TEST(ProgressViewTest, BarIsRedrawnInPlaceAndShowsTheTimeLeft) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kBar, 2, 100, t);
  view.update(0, 50, 50, {0.5, 0.75}, t + 1s);
  const std::string drawn = testing::internal::GetCapturedStderr();
  EXPECT_EQ(drawn,
            "Epoch 1/2\n\r 50/100 [==============>...............] - ETA: 3s - 50 samples/s - "
            "loss: 0.5000 - accuracy: 0.7500");
}

TEST(ProgressViewTest, BarFitsIntoANarrowTerminal) {
  const auto drawn = [](size_t columns) {
    testing::internal::CaptureStderr();
    core::TimePoint t{};
    ProgressView view(ProgressView::Style::kBar, 1, 100, t, columns);
    view.update(0, 50, 50, {0.5, 0.75}, t + 1s);
    return testing::internal::GetCapturedStderr();
  };
  const std::string numbers = " - loss: 0.5000 - accuracy: 0.7500";
  // With a bar of 30 the line has 99 characters; one less than the terminal's columns may be used.
  EXPECT_EQ(drawn(100).size(), 1 + 99u);
  EXPECT_EQ(drawn(99),
            "\r 50/100 [=============>...............] - ETA: 1s - 50 samples/s" + numbers);
  EXPECT_EQ(drawn(70), "\r 50/100 [======>........] - ETA: 1s" + numbers);
  EXPECT_EQ(drawn(40), "\r 50/100 [====>.....] - ETA: 1s - loss: ");
}

TEST(ProgressViewTest, TheLastBarFitsTooAndGivesTheRateUpFirst) {
  const auto drawn = [](size_t columns) {
    testing::internal::CaptureStderr();
    core::TimePoint t{};
    ProgressView view(ProgressView::Style::kBar, 1, 60000, t, columns);
    view.epoch_end(0, {2.0139, 0.3236}, {}, t + 4s);
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(drawn(83),
            "60000/60000 [==========] - 4s - 15,000 samples/s - loss: 2.0139 - accuracy: 0.3236\n");
  EXPECT_EQ(drawn(80),
            "60000/60000 [==========================] - 4s - loss: 2.0139 - accuracy: 0.3236\n");
}

TEST(ProgressViewTest, WhatIsSaidAfterAnUnfinishedBarBeginsALine) {
  testing::internal::CaptureStderr();
  {
    core::TimePoint t{};
    ProgressView view(ProgressView::Style::kBar, 1, 100, t, 100);
    view.update(0, 50, 50, {0.5, 0.75}, t + 1s);
  }
  EXPECT_TRUE(testing::internal::GetCapturedStderr().ends_with("accuracy: 0.7500\n"));
}

TEST(ProgressViewTest, LossThatIsNotANumberHasNoSign) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kLines, 2, 100, t);
  view.epoch_end(0, {-std::nan(""), 0.1}, {}, t + 2s);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr(" - loss: nan - "));
}

TEST(ProgressViewTest, AWarningIsWrittenByTheSilentStyleToo) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kSilent, 2, 100, t);
  view.message("said");
  view.warn("warned");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warned\n");
}

TEST(ProgressViewTest, SilentStyleWritesNothing) {
  testing::internal::CaptureStderr();
  core::TimePoint t{};
  ProgressView view(ProgressView::Style::kSilent, 1, 100, t);
  view.update(0, 50, 50, {0.5, 0.75}, t + 1s);
  view.epoch_end(0, {0.25, 0.875}, {}, t + 2s);
  view.message("anything");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(ProgressView::style_for(0), ProgressView::Style::kSilent);
  EXPECT_EQ(ProgressView::style_for(2), ProgressView::Style::kLines);
}

}  // namespace
}  // namespace sluice::show
