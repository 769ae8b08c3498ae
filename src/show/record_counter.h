// How many records are done, where somebody waits at a terminal.
#pragma once

#include <cstdint>

#include "core/clock.h"

namespace sluice::show {

bool standard_error_is_terminal();

// On standard error, once a second; wiped out at the end. Says nothing of what is done within a
// second.
class RecordCounter {
 public:
  // `all`: how many there will be; 0: not known. Not `shown`, it never says anything.
  explicit RecordCounter(int64_t all = 0, bool shown = standard_error_is_terminal(),
                         core::TimePoint now = core::steady_now());
  ~RecordCounter();
  RecordCounter(const RecordCounter&) = delete;
  RecordCounter& operator=(const RecordCounter&) = delete;

  void add(int64_t records, core::TimePoint now = core::steady_now());

 private:
  const int64_t all_;
  const bool shown_;
  core::TimePoint next_;
  bool was_shown_ = false;
  int64_t records_ = 0;
};

}  // namespace sluice::show
