// What `./dev simulate` runs, as a test: seeds by the hundred, and the simulator itself.
#include <gmock/gmock.h>

#include <cstdlib>

#include "core/log.h"
#include "tests/simulator/scenario.h"

namespace sluice::simulator {
namespace {

class SimulatorTest : public testing::Test {
 protected:
  void SetUp() override { log::set_level("off"); }
};

TEST_F(SimulatorTest, NoScheduleLosesDoublesOrHangs) {
#ifdef SLUICE_SANITIZED
  constexpr uint64_t kSeeds = 100;
#else
  constexpr uint64_t kSeeds = 2000;
#endif
  Outcome all;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome outcome = run_scenario(seed, false);
    all += outcome;
    EXPECT_THAT(outcome.violations, testing::IsEmpty()) << "./dev simulate --seed " << seed;
  }
  EXPECT_GT(all.leases_cut, 0) << "nobody was helped";
  EXPECT_GT(all.rounds, all.backups);
  EXPECT_GT(all.superseded, 0);
  EXPECT_GT(all.own_parameters, 0);
  EXPECT_GT(all.refusals, 0);
  EXPECT_GT(all.moves, 0);
  EXPECT_GT(all.new_servers_died, 0);
#ifndef SLUICE_SANITIZED
  EXPECT_GT(all.settled, 0);
#endif
  EXPECT_GT(all.encoded, 0);
  EXPECT_GT(all.differences, 0);
#ifndef SLUICE_SANITIZED
  for (int fault = 0; fault < kFaults; ++fault) {
    for (int phase = 0; phase < kPhases; ++phase) {
      EXPECT_GT(all.faults.at(static_cast<Fault>(fault), static_cast<Phase>(phase)), 0)
          << to_string(static_cast<Fault>(fault)) << " while "
          << to_string(static_cast<Phase>(phase));
    }
  }
#endif
}

TEST_F(SimulatorTest, TheSameSeedIsTheSameCourseOfEvents) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Outcome once = run_scenario(seed, false), again = run_scenario(seed, false);
    EXPECT_EQ(once.history_hash, again.history_hash) << seed;
    EXPECT_EQ(once.events, again.events) << seed;
    EXPECT_NE(once.history_hash, run_scenario(seed + 1000, false).history_hash);
  }
}

}  // namespace
}  // namespace sluice::simulator
