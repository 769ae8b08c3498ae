#include "train/progress_view.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sluice::train {
namespace {

constexpr int kBarWidth = 30;
constexpr core::Duration kRedraw = std::chrono::milliseconds(100);
constexpr core::Duration kRateWindow = std::chrono::seconds(2);

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[256];
  std::snprintf(text, sizeof(text), pattern, args...);
  return text;
}

// Keras' rule: %.4f, or %.4e for what would show as 0.000x.
std::string format_value(double value) {
  return std::abs(value) > 1e-3 || value == 0 ? format("%.4f", value) : format("%.4e", value);
}

std::string format_metrics(const ShownMetrics& metrics, const char* prefix) {
  return std::string(" - ") + prefix + "loss: " + format_value(metrics.loss) + " - " + prefix +
         "accuracy: " + format_value(metrics.accuracy);
}

}  // namespace

std::string format_seconds(double seconds) {
  const auto s = static_cast<int64_t>(std::max(seconds, 0.0) + 0.5);
  if (s > 3600) {
    return format("%ld:%02ld:%02ld", static_cast<long>(s / 3600), static_cast<long>(s % 3600 / 60),
                  static_cast<long>(s % 60));
  }
  if (s > 60) return format("%ld:%02ld", static_cast<long>(s / 60), static_cast<long>(s % 60));
  return format("%lds", static_cast<long>(s));
}

std::string with_separators(int64_t value) {
  std::string text = std::to_string(value);
  for (int i = static_cast<int>(text.size()) - 3; i > (value < 0 ? 1 : 0); i -= 3) {
    text.insert(static_cast<size_t>(i), ",");
  }
  return text;
}

ProgressView::Style ProgressView::style_for(int verbose) {
  if (verbose == 0) return Style::kSilent;
  return verbose == 1 && isatty(STDERR_FILENO) ? Style::kBar : Style::kLines;
}

ProgressView::ProgressView(Style style, int epochs, int64_t samples_per_epoch,
                           core::TimePoint start)
    : style_(style),
      epochs_(epochs),
      samples_per_epoch_(samples_per_epoch),
      epoch_start_(start),
      rate_since_(start) {}

std::string ProgressView::bar(int64_t samples) const {
  const int64_t total = std::max<int64_t>(samples_per_epoch_, 1);
  const int filled = static_cast<int>(kBarWidth * std::min(samples, total) / total);
  std::string text(static_cast<size_t>(kBarWidth), '.');
  std::fill_n(text.begin(), filled, '=');
  if (filled > 0 && filled < kBarWidth) text[static_cast<size_t>(filled) - 1] = '>';
  const std::string width = std::to_string(samples_per_epoch_);
  return format("%*ld/%s [%s]", static_cast<int>(width.size()), static_cast<long>(samples),
                width.c_str(), text.c_str());
}

void ProgressView::begin_epoch(int epoch) {
  if (epoch == shown_epoch_) return;
  shown_epoch_ = epoch;
  if (style_ == Style::kBar && epochs_ > 1) {
    message("Epoch " + std::to_string(epoch + 1) + "/" + std::to_string(epochs_));
  }
}

void ProgressView::update(int epoch, int64_t samples, int64_t total_samples,
                          const ShownMetrics& metrics, core::TimePoint now) {
  if (now - rate_since_ >= kRateWindow || rate_ == 0) {
    const double seconds = core::to_seconds(now - rate_since_);
    if (seconds > 0 && total_samples > rate_samples_) {
      rate_ = static_cast<double>(total_samples - rate_samples_) / seconds;
    }
    rate_samples_ = total_samples;
    rate_since_ = now;
  }
  if (style_ != Style::kBar || now - last_draw_ < kRedraw) return;
  begin_epoch(epoch);
  last_draw_ = now;
  std::string line = bar(samples);
  if (rate_ > 0) {
    const int64_t all = samples_per_epoch_ * epochs_;
    line += " - ETA: " + format_seconds(static_cast<double>(all - total_samples) / rate_);
    line += " - " + with_separators(static_cast<int64_t>(rate_)) + " images/s";
  }
  if (samples > 0) line += format_metrics(metrics, "");
  draw(line);
}

void ProgressView::epoch_end(int epoch, const ShownMetrics& metrics,
                             const std::optional<ShownMetrics>& validation, core::TimePoint now) {
  const double seconds = core::to_seconds(now - epoch_start_);
  epoch_start_ = now;
  if (style_ == Style::kSilent) return;
  begin_epoch(epoch);
  clear();
  std::string line = style_ == Style::kBar
                         ? bar(samples_per_epoch_)
                         : "Epoch " + std::to_string(epoch + 1) + "/" + std::to_string(epochs_);
  line += " - " + format_seconds(seconds);
  if (seconds > 0.5) {  // asynchronous epochs may end almost together, which says nothing of speed
    const double rate = static_cast<double>(samples_per_epoch_) / seconds;
    line += " - " + with_separators(static_cast<int64_t>(rate)) + " images/s";
  }
  line += format_metrics(metrics, "");
  if (validation) line += format_metrics(*validation, "val_");
  message(line);
}

void ProgressView::message(const std::string& line) {
  if (style_ == Style::kSilent) return;
  clear();
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

void ProgressView::draw(const std::string& line) {
  std::string padded = line;
  if (padded.size() < drawn_) padded.append(drawn_ - padded.size(), ' ');
  drawn_ = line.size();
  std::fprintf(stderr, "\r%s", padded.c_str());
  std::fflush(stderr);
}

void ProgressView::clear() {
  if (drawn_ == 0) return;
  std::fprintf(stderr, "\r%s\r", std::string(drawn_, ' ').c_str());
  drawn_ = 0;
}

}  // namespace sluice::train
