// Looks at what happens in a simulated job and says what must not be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"
#include "driver/job_event.h"
#include "driver/job_result.h"
#include "tests/simulator/push_checker.h"
#include "tests/simulator/simulation.h"

namespace sluice::simulator {

class Checker {
 public:
  Checker(Simulation& simulation, Expected expected)
      : simulation_(simulation),
        pushes_(
            std::move(expected), [this](std::string what) { violation(std::move(what)); },
            [this] { got_on(); }) {}
  Checker(const Checker&) = delete;

  PushChecker& pushes() { return pushes_; }
  void on_event(const driver::JobEvent& event);
  // Now and then, while the job should be going on: whoever is waited for must have been named.
  // `excused`: the driver could not say anything.
  void look(bool excused);
  // At the end.
  void check_result(const Result<driver::JobResult>& result);
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  bool training() const { return training_ && !ending_; }
  bool ending() const { return ending_; }
  int64_t leases_cut() const { return leases_cut_; }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void got_on() { last_progress_ = simulation_.now(); }

  Simulation& simulation_;
  PushChecker pushes_;
  std::vector<std::string> violations_;
  bool training_ = false, ending_ = false;
  int64_t leases_cut_ = 0;
  core::TimePoint last_progress_{};
  std::string waits_for_;
};

}  // namespace sluice::simulator
