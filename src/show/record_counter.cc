#include "show/record_counter.h"

#include <fmt/core.h>
#include <unistd.h>

#include "core/count_text.h"
#include "core/standard_error.h"

namespace sluice::show {
namespace {

constexpr core::Duration kShowEvery = std::chrono::seconds(1);

}  // namespace

bool standard_error_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

RecordCounter::RecordCounter(int64_t all, bool shown, core::TimePoint now)
    : all_(all), shown_(shown), next_(now + kShowEvery) {}

RecordCounter::~RecordCounter() {
  if (was_shown_) core::write_to_standard_error("\r\033[K");
}

void RecordCounter::add(int64_t records, core::TimePoint now) {
  records_ += records;
  if (!shown_ || now < next_) return;
  next_ = now + kShowEvery;
  was_shown_ = true;
  const std::string of = all_ > 0 ? " of " + core::with_separators(all_) : "";
  core::write_to_standard_error(fmt::format("\r{}{} records", core::with_separators(records_), of));
}

}  // namespace sluice::show
