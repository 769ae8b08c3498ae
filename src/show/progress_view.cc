#include "show/progress_view.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/count_text.h"
#include "core/standard_error.h"

namespace sluice::show {
namespace {

constexpr size_t kBarWidth = 30, kSmallestBar = 10;
constexpr core::Duration kRedraw = std::chrono::milliseconds(100);
constexpr core::Duration kRateWindow = std::chrono::seconds(2);

// Keras' rule: %.4f, or %.4e for what would show as 0.000x.
std::string format_value(double value) {
  if (std::isnan(value)) return "nan";
  return std::abs(value) > 1e-3 || value == 0 ? fmt::format("{:.4f}", value)
                                              : fmt::format("{:.4e}", value);
}

std::string format_metrics(const Metrics& metrics, const char* prefix) {
  std::string text;
  const auto add = [&](const std::string& name, double value) {
    text += fmt::format(" - {}{}: {}", prefix, name, format_value(value));
  };
  add("loss", metrics.loss);
  if (!std::isnan(metrics.accuracy)) add("accuracy", metrics.accuracy);
  for (const auto& [name, value] : metrics.values) add(name, value);
  return text;
}

// Of whatever records there are: images or rows of a table.
std::string format_rate(double samples_per_second) {
  return core::with_separators(static_cast<int64_t>(samples_per_second)) + " samples/s";
}

}  // namespace

std::string format_seconds(double seconds) {
  const auto s = static_cast<int64_t>(std::max(seconds, 0.0) + 0.5);
  if (s > 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s % 3600 / 60, s % 60);
  if (s > 60) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}s", s);
}

std::string format_loss(double loss) {
  return std::isnan(loss) ? "nan" : fmt::format("{:.4f}", loss);
}

ProgressView::Style ProgressView::style_for(int verbose) {
  if (verbose == 0) return Style::kSilent;
  return verbose == 1 && isatty(STDERR_FILENO) ? Style::kBar : Style::kLines;
}

ProgressView::ProgressView(Style style, int epochs, int64_t samples_per_epoch,
                           core::TimePoint start, size_t columns)
    : style_(style),
      epochs_(epochs),
      samples_per_epoch_(samples_per_epoch),
      columns_(columns),
      epoch_start_(start),
      rate_since_(start) {}

// What is said next, of an interrupted job for example, begins a line of its own.
ProgressView::~ProgressView() {
  if (drawn_ > 0) core::write_to_standard_error("\n");
}

void ProgressView::begin(core::TimePoint now) { epoch_start_ = rate_since_ = now; }

size_t ProgressView::columns() const {
  if (columns_ > 0) return columns_;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : std::numeric_limits<size_t>::max();
}

std::string ProgressView::bar(int64_t samples, size_t width) const {
  const int64_t total = std::max<int64_t>(samples_per_epoch_, 1);
  const auto filled =
      static_cast<size_t>(static_cast<int64_t>(width) * std::min(samples, total) / total);
  std::string text(width, '.');
  std::fill_n(text.begin(), filled, '=');
  if (filled > 0 && filled < width) text[filled - 1] = '>';
  const std::string all = std::to_string(samples_per_epoch_);
  return fmt::format("{:>{}}/{} [{}]", samples, all.size(), all, text);
}

std::string ProgressView::with_bar(int64_t samples, const std::string& rest) const {
  const size_t room = columns() - 1;  // the last column may make the terminal go to the next line
  const std::string line = bar(samples, kBarWidth) + rest;
  if (line.size() <= room) return line;
  const size_t over = line.size() - room;
  return bar(samples, over < kBarWidth - kSmallestBar ? kBarWidth - over : kSmallestBar) + rest;
}

void ProgressView::begin_epoch(int epoch) {
  if (epoch == shown_epoch_) return;
  shown_epoch_ = epoch;
  if (style_ == Style::kBar && epochs_ > 1) {
    message(fmt::format("Epoch {}/{}", epoch + 1, epochs_));
  }
}

void ProgressView::update(int epoch, int64_t samples, int64_t total_samples, const Metrics& metrics,
                          core::TimePoint now) {
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
  std::string left, rate;
  if (rate_ > 0) {
    const int64_t all = samples_per_epoch_ * epochs_;
    left = " - ETA: " + format_seconds(static_cast<double>(all - total_samples) / rate_);
    rate = " - " + format_rate(rate_);
  }
  const std::string shown = samples > 0 ? format_metrics(metrics, "") : "";
  // A line that went on in the next one could not be drawn over.
  const size_t room = columns() - 1;
  std::string line = with_bar(samples, left + rate + shown);
  if (line.size() > room) line = with_bar(samples, left + shown);
  draw(line.substr(0, room));
}

void ProgressView::epoch_end(int epoch, const Metrics& metrics,
                             const std::optional<Metrics>& validation, core::TimePoint now) {
  const double seconds = core::to_seconds(now - epoch_start_);
  epoch_start_ = now;
  if (style_ == Style::kSilent) return;
  begin_epoch(epoch);
  clear();
  const std::string time = " - " + format_seconds(seconds);
  std::string rate;
  if (seconds > 0.5) {  // asynchronous epochs may end almost together, which says nothing of speed
    rate = " - " + format_rate(static_cast<double>(samples_per_epoch_) / seconds);
  }
  std::string shown = format_metrics(metrics, "");
  if (validation) shown += format_metrics(*validation, "val_");
  if (style_ == Style::kLines) {
    return message(fmt::format("Epoch {}/{}{}{}{}", epoch + 1, epochs_, time, rate, shown));
  }
  std::string line = with_bar(samples_per_epoch_, time + rate + shown);
  if (line.size() > columns() - 1) line = with_bar(samples_per_epoch_, time + shown);
  message(line);
}

void ProgressView::message(const std::string& line) {
  if (style_ != Style::kSilent) warn(line);
}

void ProgressView::warn(const std::string& line) {
  clear();
  core::write_to_standard_error(line + "\n");
}

void ProgressView::draw(const std::string& line) {
  std::string padded = line;
  if (padded.size() < drawn_) padded.append(drawn_ - padded.size(), ' ');
  drawn_ = line.size();
  core::write_to_standard_error("\r" + padded);
}

void ProgressView::clear() {
  if (drawn_ == 0) return;
  core::write_to_standard_error("\r" + std::string(drawn_, ' ') + "\r");
  drawn_ = 0;
}

}  // namespace sluice::show
