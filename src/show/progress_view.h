// How training looks to the person who watches it: a Keras-like line per epoch on standard error,
// redrawn in place on a terminal, written once when the epoch is over elsewhere.
//
//   Epoch 2/5
//   31264/60000 [==============>...............] - ETA: 3s - 8,112 samples/s - loss: 0.0812 -
//   accuracy: 0.9751
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.h"
#include "sluice/metrics.h"

namespace sluice::show {

// Used by one thread.
class ProgressView {
 public:
  enum class Style { kSilent, kBar, kLines };
  // 0 silent; 1 a bar where standard error is a terminal, else lines; 2 lines.
  static Style style_for(int verbose);

  // `columns` 0: as many as the terminal has whenever the bar is drawn.
  ProgressView(Style style, int epochs, int64_t samples_per_epoch, core::TimePoint start,
               size_t columns = 0);
  ~ProgressView();
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  // Training begins now, and not when this was made.
  void begin(core::TimePoint now);
  // `samples` of `epoch` (from 0) are done, `total_samples` of all epochs.
  void update(int epoch, int64_t samples, int64_t total_samples, const Metrics& metrics,
              core::TimePoint now);
  void epoch_end(int epoch, const Metrics& metrics, const std::optional<Metrics>& validation,
                 core::TimePoint now);
  // A line of its own, without tearing the bar.
  void message(const std::string& line);
  // Likewise, silent or not.
  void warn(const std::string& line);

 private:
  // "31264/60000 [=====>.....]" and `rest`, as one line of the terminal where that is wide enough.
  std::string with_bar(int64_t samples, const std::string& rest) const;
  std::string bar(int64_t samples, size_t width) const;
  size_t columns() const;
  void begin_epoch(int epoch);
  void draw(const std::string& line);
  void clear();

  const Style style_;
  const int epochs_;
  const int64_t samples_per_epoch_;
  const size_t columns_;
  int shown_epoch_ = -1;
  core::TimePoint epoch_start_;
  core::TimePoint last_draw_{};
  // For the rate: what had been done when, over the last few seconds.
  int64_t rate_samples_ = 0;
  core::TimePoint rate_since_;
  double rate_ = 0;
  size_t drawn_ = 0;  // characters of the bar on the terminal's current line
};

// "1:02:03", "2:03" or "3s", as Keras.
std::string format_seconds(double seconds);
// With four decimals; "nan" whatever its sign.
std::string format_loss(double loss);

}  // namespace sluice::show
