// A world for many processes in one thread: a queue of events, a clock that jumps from one to the
// next, and one source of chance. The same seed gives the same course of events, to the last one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "core/world.h"

namespace sluice::simulator {

class Process;

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : chance_(seed) {}
  Simulation(const Simulation&) = delete;

  core::TimePoint now() const { return now_; }
  core::Rng& chance() { return chance_; }
  // A duration between the two.
  core::Duration between(core::Duration least, core::Duration most);
  bool happens(double probability) { return chance_.uniform() < probability; }

  // Runs `task` at that time, unless its process (null: nobody's) is dead by then. While the
  // process is paused, its events wait.
  void at(core::TimePoint when, std::shared_ptr<Process> process, core::Task task);
  void after(core::Duration delay, std::shared_ptr<Process> process, core::Task task) {
    at(now_ + delay, std::move(process), std::move(task));
  }
  // Runs events until `done`, or until there is none before `deadline`. Whether it is done.
  bool run_until(const std::function<bool()>& done, core::TimePoint deadline);

  // One line of the course of events.
  void record(const std::string& line);
  void print_history() { printing_ = true; }
  // No course of events is kept, which takes most of the time.
  void be_quiet() { quiet_ = true; }
  bool is_quiet() const { return quiet_; }
  // How long a task waits for its thread to be scheduled, at most: long enough for other threads to
  // come first.
  void set_longest_hand_over(core::Duration time) { longest_hand_over_ = time; }
  core::Duration longest_hand_over() const { return longest_hand_over_; }
  uint64_t history_hash() const { return hash_; }
  int64_t events() const { return events_; }

 private:
  struct Event {
    std::shared_ptr<Process> process;
    core::Task task;
  };

  core::TimePoint now_{std::chrono::seconds(1000)};
  core::Rng chance_;
  core::Duration longest_hand_over_ = std::chrono::microseconds(200);
  std::map<std::pair<core::TimePoint, uint64_t>, Event> queue_;
  uint64_t last_event_ = 0;
  int64_t events_ = 0;
  uint64_t hash_ = 0xcbf29ce484222325;
  bool printing_ = false, quiet_ = false;
};

// One process: dead or alive, and perhaps paused, as by SIGSTOP.
class Process : public std::enable_shared_from_this<Process> {
 public:
  Process(Simulation& simulation, std::string name, core::ProcessFacts facts)
      : simulation_(simulation), name_(std::move(name)), facts_(std::move(facts)) {}

  Simulation& simulation() { return simulation_; }
  const std::string& name() const { return name_; }
  const core::ProcessFacts& facts() const { return facts_; }
  bool alive() const { return alive_; }
  // From now on nothing of it runs, and nothing that it sends arrives.
  void kill() { alive_ = false; }
  void pause_until(core::TimePoint when) { paused_until_ = std::max(paused_until_, when); }
  core::TimePoint paused_until() const { return paused_until_; }

 private:
  Simulation& simulation_;
  const std::string name_;
  const core::ProcessFacts facts_;
  bool alive_ = true;
  core::TimePoint paused_until_{};
};

// The world as one process sees it.
class SimulatedWorld final : public core::World {
 public:
  explicit SimulatedWorld(std::shared_ptr<Process> process) : process_(std::move(process)) {}

  core::TimePoint now() const override { return process_->simulation().now(); }
  std::shared_ptr<core::Strand> make_strand(const std::string& name) override;
  uint64_t unique_number() override { return process_->simulation().chance().next(); }
  core::ProcessFacts process() const override { return process_->facts(); }
  int64_t peak_memory_bytes() const override { return 1; }
  core::Disk& disk() override;

  // The strand whose task runs now is busy for so long: what it has to do next comes after that.
  static void spend(core::Duration time);
  // For how long it will be: what its task sends now leaves then.
  static core::Duration busy();

 private:
  const std::shared_ptr<Process> process_;
};

}  // namespace sluice::simulator
