#include "tests/simulator/scale_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

#include "core/clock.h"
#include "tests/simulator/scale.h"

namespace sluice::simulator {
namespace {

// The MNIST CNN, a window of 80 samples, lines of 10 Gb/s.
constexpr double kBytes = 4.2e6, kLine = 1.25e9;
constexpr core::Duration kWindow = std::chrono::milliseconds(54);

template <typename... Values>
void line(const char* text, const Values&... values) {
  const std::string made = fmt::vformat(text, fmt::make_format_args(values...));
  std::printf("%s\n", made.c_str());
  std::fflush(stdout);
}

ScaleOptions job(int workers, int servers) {
  ScaleOptions options;
  options.workers = workers;
  options.servers = servers;
  options.window = kWindow;
  options.bytes = kBytes;
  options.bytes_per_s = kLine;
  return options;
}

// An exchange that nobody disturbs: the parameters out and back over the worker's line.
double alone() { return 2 * kBytes / kLine; }

// Operational laws: X = min(N / (Z + R), S B / M).
double predicted(int workers, int servers) {
  return std::min(workers / (core::to_seconds(kWindow) + alone()), servers * kLine / kBytes);
}

void print_throughput(int workers, std::initializer_list<int> servers, int windows) {
  line("| workers | servers | exchanges/s | formula | of it | staleness | events |");
  line("|---|---|---|---|---|---|---|");
  for (const int count : servers) {
    ScaleOptions options = job(workers, count);
    options.windows = windows;
    const ScaleResult result = run_at_scale(options);
    const double formula = predicted(workers, count);
    line("| {} | {} | {:.0f} | {:.0f} | {:.2f} | {:.0f} | {} |", workers, count,
         result.exchanges_per_s, formula, result.exchanges_per_s / formula, result.staleness,
         result.events);
  }
  const double needed = workers / (core::to_seconds(kWindow) + alone()) / (kLine / kBytes);
  line("");
  line("By the formula {} workers saturate the lines of fewer than {:.0f} servers.", workers,
       needed);
  line("");
}

// With no lines to wait for and windows that take an exponentially distributed time, a round of N
// takes H_N as long as one window, and in that time N asynchronous windows are done.
void print_straggling() {
  line("| workers | asynchronous updates/s | rounds: updates/s | gain | H_N |");
  line("|---|---|---|---|---|");
  for (const int workers : {4, 16, 64}) {
    ScaleOptions options = job(workers, 1);
    options.bytes_per_s = 0;
    options.exponential = true;
    options.windows = 400;
    const double free = run_at_scale(options).exchanges_per_s;
    options.rounds = true;
    const double rounds = run_at_scale(options).exchanges_per_s;
    double harmonic = 0;
    for (int i = 1; i <= workers; ++i) harmonic += 1.0 / i;
    line("| {} | {:.0f} | {:.0f} | {:.2f} | {:.2f} |", workers, free, rounds, free / rounds,
         harmonic);
  }
  line("");
}

void print_staleness() {
  line("| workers | staleness | N - 1 |");
  line("|---|---|---|");
  for (const int workers : {2, 3, 8, 32}) {
    ScaleOptions options = job(workers, 1);
    options.bytes_per_s = 0;
    options.windows = 400;
    line("| {} | {:.2f} | {} |", workers, run_at_scale(options).staleness, workers - 1);
  }
  line("");
}

}  // namespace

void print_scale() {
  line("# Scale");
  line("");
  line("Written by `./dev simulate --scale`: the driver, servers and workers that ship, in the");
  line("simulator, on hosts of their own whose lines carry 10 Gb/s each way; nothing fails. The");
  line("parameters take {:.1f} MB, a window {:.0f} ms, as the MNIST CNN's.", kBytes / 1e6,
       1000 * core::to_seconds(kWindow));
  line("");
  line("## Throughput, and how many servers it takes");
  line("");
  line("N workers, S servers, M bytes, lines of B bytes/s, windows of Z seconds, R = 2M/B: the");
  line("formula is min(N/(Z + R), S B/M).");
  line("");
  print_throughput(16, {1, 2, 4}, 100);
  print_throughput(128, {2, 4, 8, 16}, 40);
  print_throughput(1000, {4, 16, 32, 48, 64}, 40);
  line("## Staleness");
  line("");
  line(
      "N equal workers, no line to wait for. The job's beginning and end, when fewer train, "
      "count.");
  line("");
  print_staleness();
  line("## Stragglers");
  line("");
  line("Windows take exponentially distributed times, exchanges none. In rounds one takes as long");
  line(
      "as the slowest of N: H_N = 1 + 1/2 + ... + 1/N times the mean (Dutta, Joshi et al., 2018).");
  line("");
  print_straggling();
}

}  // namespace sluice::simulator
