#include "tests/simulator/simulation.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace sluice::simulator {
namespace {

using core::TimePoint;

class SimulatedStrand final : public core::Strand,
                              public std::enable_shared_from_this<SimulatedStrand> {
 public:
  explicit SimulatedStrand(std::shared_ptr<Process> process) : process_(std::move(process)) {}

  void post(core::Task task) override {
    if (closed_ || !process_->alive()) return;
    tasks_.push_back(std::move(task));
    if (!scheduled_) schedule();
  }

  core::TimerId at(TimePoint when, core::Task task) override {
    const core::TimerId id = ++last_timer_;
    if (closed_ || !process_->alive()) return id;
    timers_.emplace(id, std::move(task));
    simulation().at(std::max(when, simulation().now()), process_, [self = shared_from_this(), id] {
      const auto timer = self->timers_.find(id);
      if (timer == self->timers_.end()) return;
      // A timer that is due comes before what has been posted.
      self->tasks_.push_front(std::move(timer->second));
      self->timers_.erase(timer);
      if (!self->scheduled_) self->schedule();
    });
    return id;
  }

  void cancel(core::TimerId timer) override { timers_.erase(timer); }

  void close() override {
    if (closed_) return;
    timers_.clear();
    // Within one of its own tasks what is posted is dropped, as in a dead process.
    while (current != this && process_->alive() && !tasks_.empty()) run_next();
    closed_ = true;
    tasks_.clear();
  }

  core::Duration busy() const {
    return std::max(free_at_ - process_->simulation().now(), core::Duration());
  }
  void spend(core::Duration time) { free_at_ = simulation().now() + time; }

  static inline SimulatedStrand* current = nullptr;

 private:
  Simulation& simulation() { return process_->simulation(); }

  void schedule() {
    scheduled_ = true;
    const TimePoint when =
        std::max(free_at_, simulation().now()) +
        simulation().between(core::Duration(0), simulation().longest_hand_over());
    simulation().at(when, process_, [self = shared_from_this()] {
      self->scheduled_ = false;
      if (!self->tasks_.empty()) self->run_next();
      if (!self->tasks_.empty() && !self->scheduled_) self->schedule();
    });
  }

  void run_next() {
    core::Task task = std::move(tasks_.front());
    tasks_.pop_front();
    SimulatedStrand* const before = std::exchange(current, this);
    task();
    current = before;
  }

  const std::shared_ptr<Process> process_;
  std::deque<core::Task> tasks_;
  std::map<core::TimerId, core::Task> timers_;
  core::TimerId last_timer_ = 0;
  TimePoint free_at_{};
  bool scheduled_ = false;  // an event will run the next task
  bool closed_ = false;
};

// In memory: a simulated process has no files yet.
class MemoryFile final : public core::ScratchFile {
 public:
  Status append(std::span<const std::byte> bytes) override {
    bytes_->insert(bytes_->end(), bytes.begin(), bytes.end());
    return ok_status();
  }
  Result<core::SharedBytes> map() override { return core::SharedBytes{*bytes_, bytes_}; }

 private:
  const std::shared_ptr<std::vector<std::byte>> bytes_ = std::make_shared<std::vector<std::byte>>();
};

class MemoryDisk final : public core::Disk {
 public:
  Result<std::unique_ptr<core::ScratchFile>> make_scratch_file() override {
    return std::unique_ptr<core::ScratchFile>(std::make_unique<MemoryFile>());
  }
};

}  // namespace

core::Duration Simulation::between(core::Duration least, core::Duration most) {
  return least + core::Duration(static_cast<int64_t>(
                     chance_.below(static_cast<uint64_t>((most - least).count()) + 1)));
}

void Simulation::at(TimePoint when, std::shared_ptr<Process> process, core::Task task) {
  queue_.emplace(std::pair(std::max(when, now_), ++last_event_),
                 Event{std::move(process), std::move(task)});
}

bool Simulation::run_until(const std::function<bool()>& done, TimePoint deadline) {
  while (!done()) {
    if (queue_.empty() || queue_.begin()->first.first > deadline) return false;
    auto node = queue_.extract(queue_.begin());
    now_ = node.key().first;
    Event& event = node.mapped();
    if (event.process && !event.process->alive()) continue;
    if (event.process && event.process->paused_until() > now_) {
      const TimePoint when = event.process->paused_until();
      at(when, std::move(event.process), std::move(event.task));
      continue;
    }
    ++events_;
    event.task();
  }
  return true;
}

void Simulation::record(const std::string& line) {
  if (quiet_) return;
  for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash_ = (hash_ ^ static_cast<uint64_t>(now_.time_since_epoch().count())) * 0x100000001b3;
  if (!printing_) return;
  const double seconds = core::to_seconds(now_.time_since_epoch()) - 1000;
  std::printf("%10.6f  %s\n", seconds, line.c_str());
}

std::shared_ptr<core::Strand> SimulatedWorld::make_strand(const std::string&) {
  return std::make_shared<SimulatedStrand>(process_);
}

core::Disk& SimulatedWorld::disk() {
  static MemoryDisk disk;
  return disk;
}

core::Duration SimulatedWorld::busy() {
  return SimulatedStrand::current == nullptr ? core::Duration() : SimulatedStrand::current->busy();
}

void SimulatedWorld::spend(core::Duration time) {
  if (SimulatedStrand::current != nullptr) SimulatedStrand::current->spend(time);
}

}  // namespace sluice::simulator
