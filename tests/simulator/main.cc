// sluice_simulate [--seeds N] [--seed S]: whole jobs in a simulated world, by their seeds.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/log.h"
#include "tests/simulator/scale_report.h"
#include "tests/simulator/scenario.h"

namespace sluice::simulator {
namespace {

constexpr const char* kUsage =
    "Usage: sluice_simulate [--seeds N] [--first S]   run seeds S to S + N - 1 (1 to 2000)\n"
    "       sluice_simulate --seed S                  one seed, with its history\n"
    "       sluice_simulate --scale                   large jobs beside the formulas for them\n"
    "\n"
    "Driver, servers and workers as they ship, on a simulated network and clock: messages are\n"
    "delayed, lost, repeated, reordered, cut off; processes are paused, workers die and are\n"
    "started again. Exit status 1: something that must not be, with the seed that shows it.\n";

void print(const FaultCounts& faults) {
  std::printf("%-10s", "faults");
  for (int phase = 0; phase < kPhases; ++phase) {
    std::printf(" %9s", to_string(static_cast<Phase>(phase)));
  }
  std::printf("\n");
  for (int fault = 0; fault < kFaults; ++fault) {
    std::printf("%-10s", to_string(static_cast<Fault>(fault)));
    for (int phase = 0; phase < kPhases; ++phase) {
      std::printf(" %9lld",
                  static_cast<long long>(
                      faults.counts[static_cast<size_t>(fault)][static_cast<size_t>(phase)]));
    }
    std::printf("\n");
  }
}

int report(const Outcome& outcome) {
  for (const std::string& violation : outcome.violations) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(outcome.seed),
                violation.c_str());
  }
  return outcome.violations.empty() ? 0 : 1;
}

int run_one(uint64_t seed) {
  const Outcome outcome = run_scenario(seed, /*print=*/true);
  std::printf("seed %llu: %lld events in %.3f simulated seconds, history %016llx\n",
              static_cast<unsigned long long>(seed), static_cast<long long>(outcome.events),
              outcome.simulated_s, static_cast<unsigned long long>(outcome.history_hash));
  print(outcome.faults);
  return report(outcome);
}

int run_many(uint64_t first, uint64_t count) {
  Outcome all;
  int64_t failed = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Outcome outcome = run_scenario(seed, /*print=*/false);
    all += outcome;
    failed += report(outcome);
  }
  std::printf("%llu schedules, %lld events, %.0f simulated hours: %lld failed\n",
              static_cast<unsigned long long>(count), static_cast<long long>(all.events),
              all.simulated_s / 3600, static_cast<long long>(failed));
  std::printf("%lld workers came late, %lld were slow, %lld leases were cut\n",
              static_cast<long long>(all.late_joins), static_cast<long long>(all.slow_workers),
              static_cast<long long>(all.leases_cut));
  std::printf("%lld jobs in rounds, %lld of them with backup workers: %lld pushes superseded\n",
              static_cast<long long>(all.rounds), static_cast<long long>(all.backups),
              static_cast<long long>(all.superseded));
  std::printf("%lld jobs with parameters of their own for each partition\n",
              static_cast<long long>(all.own_parameters));
  std::printf("%lld updates and %lld answers were compressed\n",
              static_cast<long long>(all.encoded), static_cast<long long>(all.differences));
  std::printf(
      "%lld times shards went to other servers, %lld pushes were settled meanwhile, %lld new "
      "servers died\n",
      static_cast<long long>(all.moves), static_cast<long long>(all.settled),
      static_cast<long long>(all.new_servers_died));
  print(all.faults);
  if (failed > 0) std::printf("run one again with its history: ./dev simulate --seed S\n");
  return failed == 0 ? 0 : 1;
}

int run(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--scale") {
    log::set_level("off");
    print_scale();
    return 0;
  }
  uint64_t seeds = 2000, first = 1, seed = 0;
  bool one = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || i + 1 >= argc) {
      std::fputs(kUsage, flag == "--help" ? stdout : stderr);
      return flag == "--help" ? 0 : 2;
    }
    char* end = nullptr;
    const uint64_t value = std::strtoull(argv[++i], &end, 10);
    const bool number = end != argv[i] && *end == '\0';
    if (number && flag == "--seeds") {
      seeds = value;
    } else if (number && flag == "--first") {
      first = value;
    } else if (number && flag == "--seed") {
      seed = value;
      one = true;
    } else {
      std::fprintf(stderr, "%s %s: not known\n%s", flag.c_str(), argv[i], kUsage);
      return 2;
    }
  }
  log::set_level("off");
  return one ? run_one(seed) : run_many(first, seeds);
}

}  // namespace
}  // namespace sluice::simulator

int main(int argc, char** argv) { return sluice::simulator::run(argc, argv); }
