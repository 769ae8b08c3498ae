// What the benchmarks of replicas measure with.
#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sluice::bench {

// With one thread, the seconds that it ran: others may use the machine at the same time. With more,
// the clock on the wall, since waiting for each other is part of their work.
inline double seconds_now(int threads) {
  timespec now{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Seconds of one call, from enough calls to fill `at_least` seconds, after one that warms up.
template <typename Call>
double seconds_per_call(int threads, double at_least, const Call& call) {
  call();
  const double begin = seconds_now(threads);
  int64_t calls = 0;
  double elapsed = 0;
  do {
    call();
    ++calls;
    elapsed = seconds_now(threads) - begin;
  } while (elapsed < at_least);
  return elapsed / static_cast<double>(calls);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace sluice::bench
